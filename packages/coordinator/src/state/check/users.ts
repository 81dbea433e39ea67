import { checkEmail, checkUsername } from "../../rules/account.ts";
import { checkDisplayName } from "../../rules/names.ts";
import type { Declared } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { passwordHashFault } from "../password-hash.ts";

/** Usernames differ, and so do addresses, in whatever case they are written. A hash has to be one that can be verified here. */
export function checkUsers({ users }: Declared, findings: Findings): void {
  findings.unique(
    users.map(({ path, username }) => ({ path, key: username })),
    "the username",
  );
  findings.unique(
    users.map(({ path, email }) => ({ path: [...path, "email"], key: email.toLowerCase() })),
    "the e-mail address",
  );
  for (const user of users) {
    const { path } = user;
    findings.rule(path, () => checkUsername(user.username));
    findings.rule([...path, "name"], () => checkDisplayName(user.name));
    findings.rule([...path, "email"], () => checkEmail(user.email));
    findings.onlyOne(path, user, ["password_file", "password_hash"]);
    const fault = user.password_hash === undefined ? null : passwordHashFault(user.password_hash);
    if (fault !== null) findings.add([...path, "password_hash"], fault);
  }
}
