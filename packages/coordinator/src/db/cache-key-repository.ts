import type { Selectable, Updateable } from "kysely";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import { reusable } from "./reusable-query.ts";
import type { CacheKeysTable } from "./cache-tables.ts";

export type CacheKeyRow = Selectable<CacheKeysTable>;

/** Columns that may be shown: all but the sealed private key. */
const SHOWN = [
  "id",
  "cache_id",
  "key_name",
  "public_key",
  "state",
  "is_complete",
  "created_at",
] as const;

export type ShownCacheKey = Pick<CacheKeyRow, (typeof SHOWN)[number]>;

/** In the order in which they sign: the oldest first. */
export function listCacheKeys(db: Queries, cacheId: string): Promise<ShownCacheKey[]> {
  return db
    .selectFrom("cache_keys")
    .select(SHOWN)
    .where("cache_id", "=", cacheId)
    .orderBy("id")
    .execute();
}

/** Stores a key whose private half is sealed already. */
export async function insertCacheKey(db: Queries, key: CacheKeyRow): Promise<void> {
  await db.insertInto("cache_keys").values(key).execute();
}

/** Also of a key that lost its private half when it was retired and is given back. */
export async function updateCacheKey(
  db: Queries,
  id: string,
  change: Updateable<CacheKeysTable>,
): Promise<void> {
  await db
    .updateTable("cache_keys")
    .set({ ...change, id })
    .where("id", "=", id)
    .execute();
}

const selectSigningKeys = reusable((db, cacheId: string) =>
  db
    .selectFrom("cache_keys")
    .select("id")
    .where("cache_id", "=", cacheId)
    .where("state", "=", "active")
    .orderBy("id"),
);

/** Names the set of keys that sign for a cache now; another set has another name. */
export async function findSigningKeys(db: Queries, cacheId: string): Promise<string> {
  const { rows } = await selectSigningKeys(db, cacheId);
  return signingKeysName(rows.map(({ id }) => id));
}

/** The name of a set of keys, from their ids in order. */
export function signingKeysName(ids: readonly string[]): string {
  return ids.join(",");
}

export interface SealedCacheKey {
  readonly id: string;
  readonly private_key: string;
}

/** The keys that sign for a cache, as they are committed, the oldest first. */
export type FindSealedKeys = (cacheId: string) => SealedCacheKey[];

/** One read for every signing: a key that was retired signs nothing from the commit on. */
export function prepareFindSealedKeys(database: Pick<Database, "prepare">): FindSealedKeys {
  const query: PreparedQuery<[string], SealedCacheKey> = database.prepare(
    `select id, private_key from cache_keys
     where cache_id = ? and state = 'active' and private_key is not null order by id`,
  );
  return (cacheId) => query.all(cacheId);
}

/** A cache whose paths are brought to the signatures of its keys. */
export interface KeySweep {
  readonly cache: string;
  /** Everything up to this hash part is done. */
  readonly hashPart: string;
}

/** Begins anew when the cache is swept already. */
export async function startKeySweep(db: Queries, cacheId: string): Promise<void> {
  await db
    .insertInto("cache_key_sweeps")
    .values({ cache_id: cacheId, hash_part: "" })
    .onConflict((conflict) => conflict.column("cache_id").doUpdateSet({ hash_part: "" }))
    .execute();
}

/** The first by the cache's id; null when all caches are signed as they should be. */
export async function findKeySweep(db: Queries): Promise<KeySweep | null> {
  const row = await db
    .selectFrom("cache_key_sweeps")
    .select(["cache_id as cache", "hash_part as hashPart"])
    .orderBy("cache_id")
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** Notes how far the cache was swept. Nothing happens when it was taken from the list meanwhile. */
export async function moveKeySweep(db: Queries, { cache, hashPart }: KeySweep): Promise<void> {
  await db
    .updateTable("cache_key_sweeps")
    .set({ hash_part: hashPart })
    .where("cache_id", "=", cache)
    .execute();
}

/** Every path of the cache has the signatures of its keys now. Keys that were to be removed are gone with it. */
export async function endKeySweep(db: Queries, cacheId: string): Promise<void> {
  await db.deleteFrom("cache_key_sweeps").where("cache_id", "=", cacheId).execute();
  await db
    .deleteFrom("cache_keys")
    .where("cache_id", "=", cacheId)
    .where("state", "=", "removing")
    .execute();
  await db
    .updateTable("cache_keys")
    .set({ is_complete: 1 })
    .where("cache_id", "=", cacheId)
    .where("state", "=", "active")
    .execute();
}

/** How many paths of the cache the sweep has not come to; 0 when it is not swept. */
export async function countUnswept(db: Queries, cacheId: string): Promise<number> {
  const sweep = await db
    .selectFrom("cache_key_sweeps")
    .select("hash_part")
    .where("cache_id", "=", cacheId)
    .executeTakeFirst();
  if (sweep === undefined) return 0;
  const { paths } = await db
    .selectFrom("cache_paths")
    .select((select) => select.fn.countAll<number>().as("paths"))
    .where("cache_id", "=", cacheId)
    .where("hash_part", ">", sweep.hash_part)
    .executeTakeFirstOrThrow();
  return Number(paths);
}
