import type { Command } from "@commander-js/extra-typings";
import { notManaged } from "../auth/authority.ts";
import { removeCache } from "../caches/delete-cache.ts";
import { systemClock } from "../clock.ts";
import { noticedChanges } from "../notices/noticed-changes.ts";
import { cacheNamed, openExisting, operator } from "./administration.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `cache delete` */
export function addCacheDelete(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("delete")
    .description("remove a cache with its keys; what no other cache shows goes with the next gc")
    .requiredOption("--cache <name>", "name of the cache")
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { kysely } = database;
      const found = await cacheNamed(kysely, flags.cache);
      notManaged(found);
      const evaluations = noticedChanges(kysely);
      await removeCache({ database, evaluations }, found, operator, systemClock.now());
      surroundings.writeOut(`cache "${flags.cache}" is deleted\n`);
    });
  addSettings(command, ["dataDir"]);
}
