import { readFile } from "node:fs/promises";
import type { Command } from "@commander-js/extra-typings";
import { registerUser } from "../accounts/register-user.ts";
import { systemClock } from "../clock.ts";
import { ensureDataDir, openFarmDatabase } from "../data-dir.ts";
import { UserError } from "../errors.ts";
import { addSettings, configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user create`: makes an account directly in the database; the coordinator may be running. */
export function addUserCreate(program: Command, surroundings: Surroundings): void {
  const command = program
    .command("user")
    .description("accounts")
    .command("create")
    .description("make an account; works while the coordinator runs, too")
    .requiredOption("--username <name>", "name to log in with")
    .requiredOption("--email <address>", "e-mail address")
    .requiredOption("--name <text>", "name for people")
    .requiredOption("--password-file <file>", "file with the password")
    .option("--superuser", "may use everything under /admin", false)
    .action(async (flags) => {
      const { dataDir } = configOf(flags, surroundings.env);
      const password = await readPassword(flags.passwordFile);
      await ensureDataDir(dataDir);
      await using database = await openFarmDatabase(dataDir);
      const registration = {
        username: flags.username,
        email: flags.email,
        name: flags.name,
        password,
        isSuperuser: flags.superuser,
        verification: null,
        actor: { userId: null, apiKeyId: null, ip: null, userAgent: null },
      };
      const id = await registerUser(database, registration, systemClock.now());
      surroundings.writeOut(`${id}\n`);
    });
  addSettings(command, ["dataDir"]);
}

/** The file's text without the line break at its end. Throws UserError. */
async function readPassword(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new UserError(`password file ${file} cannot be read`, { exitCode: 1, cause });
  }
}
