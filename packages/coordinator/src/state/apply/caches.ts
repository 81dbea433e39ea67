import { v7 as uuidv7 } from "uuid";
import { insertCacheKey, listCacheKeys, startKeySweep } from "../../db/cache-key-repository.ts";
import { insertCache, updateCache, type Cache } from "../../db/cache-repository.ts";
import { findCacheRow } from "../../db/declared-repository.ts";
import { ConflictError } from "../../errors.ts";
import {
  cacheKeyContext,
  cacheKeyName,
  generateCacheKey,
  newKeyRow,
  nixPublicKey,
} from "../../keys/cache-key.ts";
import type { CacheKeyRow } from "../../db/cache-key-repository.ts";
import type { DeclaredCache } from "../declared.ts";
import { creatorId, difference, record, takeSealed, tell, type Applying } from "./applying.ts";
import { applyMembers, firstMember } from "./members.ts";

/** Makes the caches and their keys what the file declares. Keys are only ever added: what they have signed stays. */
export async function applyCaches(applying: Applying): Promise<void> {
  for (const cache of applying.declared.caches) {
    const found = await findCacheRow(applying.db, cache);
    const id = found?.id ?? cache.id ?? uuidv7();
    applying.cacheIds.set(cache.name, id);
    if (found === undefined) await create(applying, id, cache);
    else await change(applying, found, cache);
  }
}

/** After users and roles. */
export async function applyCacheMembers(applying: Applying): Promise<void> {
  for (const cache of applying.declared.caches) {
    const id = applying.cacheIds.get(cache.name) ?? "";
    if (await applyMembers(applying, { kind: "cache", id }, cache)) {
      record(applying, "changed", "members of cache", cache.name);
    }
  }
}

function columnsOf(cache: DeclaredCache) {
  return {
    name: cache.name,
    display_name: cache.display_name ?? cache.name,
    description: cache.description,
    active: cache.active ? 1 : 0,
    priority: cache.priority,
    local_priority: cache.local_priority ?? null,
    public: cache.public ? 1 : 0,
    max_storage_gb: cache.max_storage_gb,
    managed: 1,
  } as const;
}

async function create(applying: Applying, id: string, cache: DeclaredCache): Promise<void> {
  const { db, masterKey, serveUrl, now } = applying;
  const row = {
    ...columnsOf(cache),
    id,
    created_by: creatorId(applying, cache),
    created_at: now,
  };
  await insertCache(db, row, firstMember(applying, cache), []);
  const declared = declaredKeys(applying, id, cache);
  const own = () =>
    newKeyRow(masterKey, id, generateCacheKey(cacheKeyName(serveUrl, cache.name)), {
      isComplete: true,
      now,
    });
  const signs = declared.some(({ state }) => state === "active");
  // It shows nothing yet, so all of it is signed.
  for (const key of signs ? declared : [...declared, own()]) {
    await insertCacheKey(db, { ...key, is_complete: 1 });
  }
  record(applying, "created", "cache", cache.name);
}

async function change(applying: Applying, found: Cache, cache: DeclaredCache): Promise<void> {
  const { db } = applying;
  if (cache.id !== undefined && cache.id !== found.id) {
    throw new ConflictError(
      `cache "${cache.name}" has the id ${found.id}, which cannot be changed to ${cache.id}: correct the file`,
    );
  }
  const changed = difference(found, columnsOf(cache));
  if (changed !== null) await updateCache(db, found.id, changed);
  const isSigningMore = await addKeys(applying, found, cache);
  if (changed !== null || isSigningMore) record(applying, "changed", "cache", cache.name);
}

async function addKeys(applying: Applying, found: Cache, cache: DeclaredCache): Promise<boolean> {
  const { db } = applying;
  const stored = await listCacheKeys(db, found.id);
  const known = new Map(stored.map((key) => [key.key_name, nixPublicKey(key)]));
  let isChanged = false;
  for (const key of declaredKeys(applying, found.id, cache)) {
    const same = known.get(key.key_name);
    if (same === nixPublicKey(key)) continue;
    if (same !== undefined) {
      throw new ConflictError(
        `cache "${cache.name}" has another key named "${key.key_name}": give the new one another name`,
      );
    }
    await insertCacheKey(db, key);
    await startKeySweep(db, found.id);
    await tell(applying, "cache_keys", "");
    isChanged = true;
  }
  return isChanged;
}

/** Rows of the keys that the file names. */
function declaredKeys(
  { masterKey, secrets, now }: Applying,
  id: string,
  cache: DeclaredCache,
): CacheKeyRow[] {
  const exported = cache.signing_keys.map(({ public_key: text, sealed }) => {
    const at = text.indexOf(":");
    return {
      id: uuidv7(),
      cache_id: id,
      key_name: text.slice(0, at),
      public_key: text.slice(at + 1),
      private_key: sealed === undefined ? null : takeSealed(masterKey, sealed, cacheKeyContext(id)),
      state: sealed === undefined ? ("retired" as const) : ("active" as const),
      is_complete: 0 as const,
      created_at: now,
    };
  });
  const key = secrets.cacheKeys.get(cache.signing_key_file ?? "");
  if (key === undefined) return exported;
  return [...exported, newKeyRow(masterKey, id, key, { isComplete: false, now })];
}
