import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/client.ts";
import { insertCache } from "../db/cache-repository.ts";
import { ConflictError } from "../errors.ts";
import { insertCacheKey } from "../db/cache-key-repository.ts";
import { cacheKeyName, generateCacheKey, newKeyRow } from "../keys/cache-key.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { checkStorageLimit } from "../rules/storage.ts";
import { NIXOS_UPSTREAM } from "../rules/upstream.ts";

export interface NewCache {
  name: string;
  displayName: string;
  description: string;
  priority: number;
  localPriority: number | null;
  isPublic: boolean;
  /** 0 is no limit. */
  maxStorageGb: number;
}

/** Makes a cache with its own signing key, the public NixOS cache as its upstream and the creator as Admin; returns its id. Throws BadRequestError, ConflictError. */
export async function createCache(
  dependencies: { database: Database; masterKey: MasterKey; serveUrl: string },
  creatorId: string,
  request: NewCache,
  now: number,
): Promise<string> {
  checkSlug("cache", request.name);
  checkDisplayName(request.displayName);
  checkStorageLimit(request.maxStorageGb);
  const { database, masterKey, serveUrl } = dependencies;
  const id = uuidv7();
  const key = generateCacheKey(cacheKeyName(serveUrl, request.name));
  const row = {
    id,
    name: request.name,
    display_name: request.displayName,
    description: request.description,
    active: 1 as const,
    priority: request.priority,
    local_priority: request.localPriority,
    public: request.isPublic ? (1 as const) : (0 as const),
    max_storage_gb: request.maxStorageGb,
    managed: 0 as const,
    created_by: creatorId,
    created_at: now,
  };
  const upstream = {
    id: uuidv7(),
    cache_id: id,
    kind: "http" as const,
    mode: "ReadOnly" as const,
    ...NIXOS_UPSTREAM,
    created_at: now,
  };
  const member = { userId: creatorId, role: "Admin" };
  const isStored = await database.transaction(async ({ kysely }) => {
    if (!(await insertCache(kysely, row, member, [upstream]))) return false;
    await insertCacheKey(kysely, newKeyRow(masterKey, id, key, { isComplete: true, now }));
    return true;
  });
  if (isStored) return id;
  throw new ConflictError(`a cache named "${request.name}" exists already`, {
    code: "already_exists",
  });
}
