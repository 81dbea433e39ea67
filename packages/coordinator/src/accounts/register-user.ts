import { v7 as uuidv7 } from "uuid";
import { hashPassword } from "../auth/passwords.ts";
import type { Database } from "../db/client.ts";
import { insertUser } from "../db/user-repository.ts";
import { ConflictError } from "../errors.ts";
import { checkEmail, checkPassword, checkUsername } from "../rules/account.ts";
import { checkDisplayName } from "../rules/names.ts";
import { audit, type Actor } from "./audit.ts";
import type { VerificationToken } from "./email-verification.ts";

export interface Registration {
  username: string;
  name: string;
  email: string;
  /** null: an account that waits for its owner to sign in with the OIDC provider. */
  password: string | null;
  isSuperuser: boolean;
  /** Of the mail by which the address will be verified; null: it counts as verified. */
  verification: VerificationToken | null;
  actor: Actor;
}

/** Makes an account and returns its id. Throws BadRequestError for what breaks a rule, ConflictError when name or address are taken. */
export async function registerUser(
  database: Database,
  registration: Registration,
  now: number,
): Promise<string> {
  const { username, name, email, password, verification } = registration;
  checkUsername(username);
  checkDisplayName(name);
  checkEmail(email);
  if (password !== null) checkPassword(password);
  const user = {
    id: uuidv7(),
    username,
    name,
    email: email.toLowerCase(),
    password_hash: password === null ? null : await hashPassword(password),
    superuser: registration.isSuperuser ? (1 as const) : (0 as const),
    email_verified: verification === null ? (1 as const) : (0 as const),
    active: 1 as const,
    created_at: now,
    last_login_at: null,
    ...verification?.columns,
  };
  const isStored = await database.transaction(async ({ kysely }) => {
    if (!(await insertUser(kysely, user))) return false;
    const actor = { ...registration.actor, userId: user.id };
    await audit(kysely, { event: "register", actor, subject: username }, now);
    return true;
  });
  if (isStored) return user.id;
  throw new ConflictError(`the username "${username}" or the e-mail address "${email}" is taken`, {
    code: "already_exists",
  });
}
