import type { Command } from "@commander-js/extra-typings";
import { listAllUsers } from "../db/administration-view.ts";
import { openExisting } from "./administration.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `user list` */
export function addUserList(user: Command, surroundings: Surroundings): void {
  const command = user
    .command("list")
    .description("list all accounts")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const users = await listAllUsers(database.kysely);
      const rows = users.map((each) => ({
        username: each.username,
        email: each.email,
        name: each.name,
        superuser: each.superuser === 1,
        active: each.active === 1,
        email_verified: each.email_verified === 1,
        password: each.has_password === 1,
        managed: each.managed === 1,
        last_login: timeOf(each.last_login_at),
      }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}
