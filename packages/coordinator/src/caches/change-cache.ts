import { listSubscribers, updateCache, type ShownCache } from "../db/cache-repository.ts";
import type { Database } from "../db/client.ts";
import { ConflictError } from "../errors.ts";
import type { Evaluations } from "../ports.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { checkStorageLimit } from "../rules/storage.ts";

export interface CacheSettings {
  name: string;
  displayName: string;
  description: string;
  priority: number;
  localPriority: number | null;
  maxStorageGb: number;
}

/** Stores the settings. The signing key keeps its name: clients trust it by that name. Throws BadRequestError, ConflictError. */
export async function changeCache(
  { database, evaluations }: { database: Database; evaluations: Evaluations },
  cache: ShownCache,
  settings: CacheSettings,
): Promise<void> {
  if (settings.name !== cache.name) checkSlug("cache", settings.name);
  checkDisplayName(settings.displayName);
  checkStorageLimit(settings.maxStorageGb);
  const isStored = await database.transaction((tx) =>
    updateCache(tx.kysely, cache.id, {
      name: settings.name,
      display_name: settings.displayName,
      description: settings.description,
      priority: settings.priority,
      local_priority: settings.localPriority,
      max_storage_gb: settings.maxStorageGb,
    }),
  );
  if (!isStored) {
    throw new ConflictError(`a cache named "${settings.name}" exists already`, {
      code: "already_exists",
    });
  }
  if (settings.maxStorageGb === cache.max_storage_gb) return;
  // Evaluations may have waited for room.
  for (const organization of await listSubscribers(database.kysely, cache.id)) {
    await evaluations.cachesChanged(organization);
  }
}
