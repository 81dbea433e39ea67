import type { Insertable, Selectable, Updateable } from "kysely";
import type { Database, PreparedQuery, Queries } from "./client.ts";
import type { CacheUpstreamsTable } from "./cache-tables.ts";

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

/** Only one of this cache, with its sealed API key. */
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

/** It is asked after those that the cache has. */
export async function insertUpstream(
  db: Queries,
  upstream: Insertable<CacheUpstreamsTable>,
): Promise<void> {
  await db.insertInto("cache_upstreams").values(upstream).execute();
}

/** It keeps its place in the order in which upstreams are asked. */
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

/** An upstream as far as it is asked for paths. */
export interface AskedUpstream {
  id: string;
  url: string | null;
  publicKey: string | null;
  upstreamCacheId: string | null;
}

/** Hot read: the upstreams of a cache that are read, in the order in which they are asked. */
export type FindAskedUpstreams = (cacheId: string) => AskedUpstream[];

/** Write-only ones and caches of other farms are left out; `upstreamCacheId` is null for an outside one, and for a cache that is switched off. */
export function prepareFindAskedUpstreams(database: Pick<Database, "prepare">): FindAskedUpstreams {
  const query: PreparedQuery<[string], AskedUpstream> = database.prepare(
    `select u.id, u.url, u.public_key as "publicKey", c.id as "upstreamCacheId"
     from cache_upstreams u left join caches c on c.id = u.upstream_cache_id and c.active = 1
     where u.cache_id = ? and u.mode <> 'WriteOnly' and u.kind in ('internal', 'http')
     order by u.created_at, u.id`,
  );
  return (cacheId) => query.all(cacheId);
}
