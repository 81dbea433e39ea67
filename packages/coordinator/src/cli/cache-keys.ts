import type { Command } from "@commander-js/extra-typings";
import { createKey, retireKey } from "../caches/cache-keys.ts";
import { systemClock } from "../clock.ts";
import { listCacheKeys } from "../db/cache-key-repository.ts";
import { insertNotice } from "../db/notice-repository.ts";
import { nixPublicKey } from "../keys/cache-key.ts";
import { cacheNamed, openExisting, operator } from "./administration.ts";
import { KEY_SETTINGS, openForKeys } from "./open-for-keys.ts";
import { printRows, timeOf } from "./print-rows.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `cache keys|rotate|retire-key`: also for caches that a state file declares, which never takes a key away. */
export function addCacheKeys(cache: Command, surroundings: Surroundings): void {
  addKeys(cache, surroundings);
  addRotate(cache, surroundings);
  addRetire(cache, surroundings);
}

function addKeys(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("keys")
    .description("list the signing keys of a cache, as trusted-public-keys has them")
    .requiredOption("--cache <name>", "name of the cache")
    .option("--json", "as JSON", false)
    .action(async (flags) => {
      await using database = await openExisting(flags, surroundings);
      const { id } = await cacheNamed(database.kysely, flags.cache);
      const keys = await listCacheKeys(database.kysely, id);
      const rows = keys.map((key) => ({
        id: key.id,
        public_key: nixPublicKey(key),
        state: key.state,
        signs_everything: key.is_complete === 1,
        created: timeOf(key.created_at),
      }));
      printRows(surroundings, rows, flags);
    });
  addSettings(command, ["dataDir"]);
}

function addRotate(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("rotate")
    .description(
      "make a further signing key and print its public half; retire the old one when `cache keys` says that the new one signs everything",
    )
    .requiredOption("--cache <name>", "name of the cache")
    .option("--name <text>", "name of the key; else one is made")
    .action(async (flags) => {
      await using opened = await openForKeys(flags, surroundings);
      const { parts, database } = opened;
      const found = await cacheNamed(database.kysely, flags.cache);
      const change = { cache: found, actor: operator, now: systemClock.now() };
      const key = await createKey(parts, change, flags.name ?? null);
      await insertNotice(database.kysely, { kind: "cache_keys", subject: "" });
      surroundings.writeOut(`${nixPublicKey(key)}\n`);
    });
  addSettings(command, KEY_SETTINGS);
}

function addRetire(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("retire-key")
    .description("let a key sign no more; what it has signed stays")
    .requiredOption("--cache <name>", "name of the cache")
    .requiredOption("--key-id <id>", "id of `cache keys`")
    .action(async (flags) => {
      await using opened = await openForKeys(flags, surroundings);
      const { parts, database } = opened;
      const found = await cacheNamed(database.kysely, flags.cache);
      const change = { cache: found, actor: operator, now: systemClock.now() };
      const key = await retireKey(parts, change, flags.keyId);
      await insertNotice(database.kysely, { kind: "cache_keys", subject: "" });
      surroundings.writeOut(`key "${key.key_name}" signs no more\n`);
    });
  addSettings(command, KEY_SETTINGS);
}
