import type { Command } from "@commander-js/extra-typings";
import { listAllKeys } from "../db/administration-view.ts";
import { openExisting } from "./administration.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `key list` */
export function addKeyList(key: Command, surroundings: Surroundings): void {
  const command = key
    .command("list")
    .description("list API keys, without their secrets: nobody knows them")
    .option("--username <name>", "of this account only")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const keys = await listAllKeys(database.kysely);
      const rows = keys
        .filter(({ username }) => flags.username === undefined || username === flags.username)
        .map((each) => ({
          username: each.username,
          name: each.name,
          organization: each.organization,
          cache: each.cache,
          managed: each.managed === 1,
          last_used: timeOf(each.last_used_at),
          expires: timeOf(each.expires_at),
          revoked: timeOf(each.revoked_at),
        }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}
