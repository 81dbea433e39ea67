import type { Command } from "@commander-js/extra-typings";
import { setActive } from "../accounts/administer-user.ts";
import { openAccounts } from "./accounts-database.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user deactivate` */
export function addUserDeactivate(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("deactivate")
    .description("keep an account out at once, with its sessions and keys; nothing is deleted")
    .requiredOption("--username <name>", "name of the account")
    .action(async (flags) => {
      await using database = await openAccounts(flags, surroundings);
      await setActive(database.kysely, flags.username, false);
      surroundings.writeOut(`"${flags.username}" is deactivated\n`);
    });
  addSettings(command, ["dataDir"]);
}

/** `user activate` */
export function addUserActivate(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("activate")
    .description("let a deactivated account in again")
    .requiredOption("--username <name>", "name of the account")
    .action(async (flags) => {
      await using database = await openAccounts(flags, surroundings);
      await setActive(database.kysely, flags.username, true);
      surroundings.writeOut(`"${flags.username}" is active\n`);
    });
  addSettings(command, ["dataDir"]);
}
