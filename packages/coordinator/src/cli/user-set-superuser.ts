import type { Command } from "@commander-js/extra-typings";
import { setSuperuser } from "../accounts/administer-user.ts";
import { openExisting } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user set-superuser` */
export function addUserSetSuperuser(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("set-superuser")
    .description("let an account use everything under /admin, or not any more")
    .requiredOption("--username <name>", "name of the account")
    .option("--off", "not any more", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      await setSuperuser(database.kysely, flags.username, !flags.off);
      const what = flags.off ? "is no superuser any more" : "is a superuser";
      surroundings.writeOut(`"${flags.username}" ${what}\n`);
    });
  addSettings(command, ["dataDir"]);
}
