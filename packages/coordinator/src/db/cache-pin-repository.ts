import type { Insertable } from "kysely";
import type { Queries } from "./client.ts";
import type { CachePinsTable } from "./maintenance-tables.ts";

/** What a cache keeps although nobody fetches it. */
export interface CachePin {
  readonly id: string;
  /** Base name; null for an evaluation. */
  readonly path: string | null;
  readonly evaluationId: string | null;
  /** Milliseconds since the epoch; null for ever. */
  readonly until: number | null;
  readonly createdBy: string | null;
  readonly createdAt: number;
}

/** What is pinned is not looked for: `addPin` has seen it, and it may go with its evaluation later. */
export async function insertPin(db: Queries, pin: Insertable<CachePinsTable>): Promise<void> {
  await db.insertInto("cache_pins").values(pin).execute();
}

/** Pins of a cache, the newest first, also those whose time has come. */
export function listPins(
  db: Queries,
  cacheId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<CachePin[]> {
  return db
    .selectFrom("cache_pins")
    .select(["id", "path", "until", "evaluation_id as evaluationId"])
    .select(["created_by as createdBy", "created_at as createdAt"])
    .where("cache_id", "=", cacheId)
    .orderBy("id", "desc")
    .limit(limit)
    .offset(offset)
    .execute();
}

/** Also those whose time has come: they stay until somebody pins something. */
export async function countPins(db: Queries, cacheId: string): Promise<number> {
  const row = await db
    .selectFrom("cache_pins")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("cache_id", "=", cacheId)
    .executeTakeFirstOrThrow();
  return row.count;
}

/** Those of the cache whose time has come by `now`, milliseconds since the epoch. */
export async function deleteEndedPins(db: Queries, cacheId: string, now: number): Promise<void> {
  await db
    .deleteFrom("cache_pins")
    .where("cache_id", "=", cacheId)
    .where("until", "<=", now)
    .execute();
}

/** False when the cache has no such pin. */
export async function deletePin(
  db: Queries,
  key: { cacheId: string; id: string },
): Promise<boolean> {
  const gone = await db
    .deleteFrom("cache_pins")
    .where("id", "=", key.id)
    .where("cache_id", "=", key.cacheId)
    .returning("id")
    .executeTakeFirst();
  return gone !== undefined;
}

/** Whether the organization publishes in the cache. */
export async function fillsCache(
  db: Queries,
  organizationId: string,
  cacheId: string,
): Promise<boolean> {
  const row = await db
    .selectFrom("cache_subscriptions")
    .select("mode")
    .where("organization_id", "=", organizationId)
    .where("cache_id", "=", cacheId)
    .where("mode", "!=", "ReadOnly")
    .executeTakeFirst();
  return row !== undefined;
}
