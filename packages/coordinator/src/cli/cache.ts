import type { Command } from "@commander-js/extra-typings";
import { listAllCaches } from "../db/administration-view.ts";
import { openExisting } from "./administration.ts";
import { addCacheCreate } from "./cache-create.ts";
import { addCacheDelete } from "./cache-delete.ts";
import { addCacheKeys } from "./cache-keys.ts";
import { addCachePins } from "./cache-pins.ts";
import { printRows } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `cache ...`: signing keys and pins of caches. */
export function addCache(program: Command, surroundings: Surroundings): void {
  const cache = program
    .command("cache")
    .description("binary caches; these commands work while the coordinator runs, too");
  addList(cache, surroundings);
  addCacheCreate(cache, surroundings);
  addCacheDelete(cache, surroundings);
  addCacheKeys(cache, surroundings);
  addCachePins(cache, surroundings);
}

function addList(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("list")
    .description("list all caches with what they show")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const caches = await listAllCaches(database.kysely);
      const rows = caches.map((each) => ({
        name: each.name,
        public: each.public === 1,
        active: each.active === 1,
        managed: each.managed === 1,
        paths: each.paths ?? 0,
        stored_bytes: each.stored_bytes ?? 0,
        max_storage_gb: each.max_storage_gb,
      }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}
