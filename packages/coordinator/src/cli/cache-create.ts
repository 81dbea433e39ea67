import type { Command } from "@commander-js/extra-typings";
import { createCache } from "../caches/create-cache.ts";
import { subscribe } from "../caches/subscriptions.ts";
import { systemClock } from "../clock.ts";
import { listCacheKeys } from "../db/cache-key-repository.ts";
import { nixPublicKey } from "../keys/cache-key.ts";
import { noticedChanges } from "../notices/noticed-changes.ts";
import { organizationNamed, userNamed } from "./administration.ts";
import { KEY_SETTINGS, openForKeys } from "./open-for-keys.ts";
import { addSettings } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** `cache create`: prints its public key, as trusted-public-keys has it. */
export function addCacheCreate(cache: Command, surroundings: Surroundings): void {
  const command = cache
    .command("create")
    .description("make a cache with cache.nixos.org as its upstream, and print its public key")
    .requiredOption("--cache <name>", "name of the cache")
    .requiredOption("--username <name>", "account that becomes its Admin")
    .option("--organization <name>", "show there what this organization builds")
    .option("--display-name <text>", "name for people; else the name")
    .option("--public", "everybody may read it", false)
    .action(async (flags) => {
      await using opened = await openForKeys(flags, surroundings);
      const { parts, database } = opened;
      const db = database.kysely;
      const creator = await userNamed(db, flags.username);
      const { organization: of } = flags;
      const organization = of === undefined ? null : await organizationNamed(db, of);
      const now = systemClock.now();
      const request = {
        name: flags.cache,
        displayName: flags.displayName ?? flags.cache,
        description: "",
        priority: 40,
        localPriority: null,
        isPublic: flags.public,
        maxStorageGb: 0,
      };
      const id = await createCache(parts, creator.id, request, now);
      if (organization !== null) {
        const change = { database, evaluations: noticedChanges(db) };
        await subscribe(
          change,
          { organization, cache: { id, name: flags.cache } },
          "ReadWrite",
          now,
        );
      }
      for (const key of await listCacheKeys(db, id))
        surroundings.writeOut(`${nixPublicKey(key)}\n`);
    });
  addSettings(command, KEY_SETTINGS);
}
