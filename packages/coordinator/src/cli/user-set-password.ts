import type { Command } from "@commander-js/extra-typings";
import { setPassword } from "../accounts/administer-user.ts";
import { systemClock } from "../clock.ts";
import { readSecretFile } from "../config/secret-file.ts";
import { openAccounts } from "./accounts-database.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user set-password`: for somebody who has forgotten theirs. */
export function addUserSetPassword(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("set-password")
    .description("give an account another password and end its sessions")
    .requiredOption("--username <name>", "name of the account")
    .requiredOption(
      "--password-file <file>",
      "file with the password; /dev/stdin to type or pipe it",
    )
    .action(async (flags) => {
      const password = await readSecretFile(flags.passwordFile);
      await using database = await openAccounts(flags, surroundings);
      await setPassword(database, { username: flags.username, password }, systemClock.now());
      surroundings.writeOut(`The password of "${flags.username}" was set\n`);
    });
  addSettings(command, ["dataDir"]);
}
