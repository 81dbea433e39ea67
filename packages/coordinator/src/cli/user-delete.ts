import type { Command } from "@commander-js/extra-typings";
import { removeUser } from "../accounts/delete-user.ts";
import { systemClock } from "../clock.ts";
import { openExisting, operator, userNamed } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user delete` */
export function addUserDelete(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("delete")
    .description(
      "remove an account with its sessions, keys and memberships; organizations and caches stay",
    )
    .requiredOption("--username <name>", "name of the account")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const found = await userNamed(database.kysely, flags.username);
      await removeUser(database, { user: found, actor: operator }, systemClock.now());
      surroundings.writeOut(`"${flags.username}" is deleted\n`);
    });
  addSettings(command, ["dataDir"]);
}
