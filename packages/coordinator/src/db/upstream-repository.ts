import type { Insertable, Selectable, Updateable } from "kysely";
import type { Queries } from "./client.ts";
import type { CacheUpstreamsTable } from "./tables.ts";

export type Upstream = Selectable<CacheUpstreamsTable>;

/** In the order in which they are asked: the oldest first. */
export function listUpstreams(db: Queries, cacheId: string): Promise<Upstream[]> {
  return db
    .selectFrom("cache_upstreams")
    .selectAll()
    .where("cache_id", "=", cacheId)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

export function findUpstream(
  db: Queries,
  key: { cacheId: string; id: string },
): Promise<Upstream | undefined> {
  return db
    .selectFrom("cache_upstreams")
    .selectAll()
    .where("id", "=", key.id)
    .where("cache_id", "=", key.cacheId)
    .executeTakeFirst();
}

export async function insertUpstream(
  db: Queries,
  upstream: Insertable<CacheUpstreamsTable>,
): Promise<void> {
  await db.insertInto("cache_upstreams").values(upstream).execute();
}

export async function updateUpstream(
  db: Queries,
  id: string,
  change: Updateable<CacheUpstreamsTable>,
): Promise<void> {
  await db.updateTable("cache_upstreams").set(change).where("id", "=", id).execute();
}

/** False when the cache has no such upstream. */
export async function deleteUpstream(
  db: Queries,
  key: { cacheId: string; id: string },
): Promise<boolean> {
  const gone = await db
    .deleteFrom("cache_upstreams")
    .where("id", "=", key.id)
    .where("cache_id", "=", key.cacheId)
    .returning("id")
    .executeTakeFirst();
  return gone !== undefined;
}

/** Caches of this server that one of the caches asks. */
export async function listInternalUpstreams(
  db: Queries,
  cacheIds: readonly string[],
): Promise<string[]> {
  const rows = await db
    .selectFrom("cache_upstreams")
    .select("upstream_cache_id as id")
    .where("cache_id", "in", cacheIds)
    .where("upstream_cache_id", "is not", null)
    .distinct()
    .execute();
  return rows.flatMap(({ id }) => (id === null ? [] : [id]));
}
