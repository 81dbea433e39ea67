import type { Command } from "@commander-js/extra-typings";
import { registerUser } from "../accounts/register-user.ts";
import { systemClock } from "../clock.ts";
import { readSecretFile } from "../config/secret-file.ts";
import { UserError } from "../errors.ts";
import { openAccounts } from "./accounts-database.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user create`: prints the new account's id. */
export function addUserCreate(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("create")
    .description("make an account")
    .requiredOption("--username <name>", "name to log in with")
    .requiredOption("--email <address>", "e-mail address")
    .requiredOption("--name <text>", "name for people")
    .option("--password-file <file>", "file with the password; /dev/stdin to type or pipe it")
    .option("--for-oidc", "without a password: its owner signs in with the OIDC provider", false)
    .option("--superuser", "may use everything under /admin", false)
    .action(async (flags) => {
      const password = await passwordOf(flags);
      await using database = await openAccounts(flags, surroundings);
      const registration = {
        username: flags.username,
        email: flags.email,
        name: flags.name,
        password,
        isSuperuser: flags.superuser,
        verification: null,
        actor: { userId: null, apiKeyId: null, ip: null, userAgent: "gradient-coordinator" },
      };
      const id = await registerUser(database, registration, systemClock.now());
      surroundings.writeOut(`${id}\n`);
    });
  addSettings(command, ["dataDir"]);
}

async function passwordOf(flags: {
  passwordFile?: string | undefined;
  forOidc: boolean;
}): Promise<string | null> {
  if (flags.forOidc === (flags.passwordFile !== undefined)) {
    throw new UserError("either --password-file or --for-oidc has to be given");
  }
  return flags.passwordFile === undefined ? null : readSecretFile(flags.passwordFile);
}
