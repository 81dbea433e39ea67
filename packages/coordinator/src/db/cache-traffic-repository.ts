import type { Queries } from "./client.ts";

export interface Traffic {
  /** Narinfos that were there, and that were not. */
  hits: number;
  misses: number;
  narRequests: number;
  narBytes: number;
}

export interface TrafficHour extends Traffic {
  /** Milliseconds; begins then. */
  hourAt: number;
}

const HOUR_MS = 3600 * 1000;

/** Adds to the figures of the hour. */
export async function addTraffic(
  db: Queries,
  cacheId: string,
  traffic: Traffic,
  now: number,
): Promise<void> {
  await db
    .insertInto("cache_traffic")
    .columns(["cache_id", "hour_at", "hits", "misses", "nar_requests", "nar_bytes"])
    // A cache that was deleted meanwhile gets no figures.
    .expression((query) =>
      query
        .selectFrom("caches")
        .select((select) => [
          "id",
          select.val(now - (now % HOUR_MS)).as("hour_at"),
          select.val(traffic.hits).as("hits"),
          select.val(traffic.misses).as("misses"),
          select.val(traffic.narRequests).as("nar_requests"),
          select.val(traffic.narBytes).as("nar_bytes"),
        ])
        .where("id", "=", cacheId),
    )
    .onConflict((conflict) =>
      conflict.columns(["cache_id", "hour_at"]).doUpdateSet((set) => ({
        hits: set("cache_traffic.hits", "+", traffic.hits),
        misses: set("cache_traffic.misses", "+", traffic.misses),
        nar_requests: set("cache_traffic.nar_requests", "+", traffic.narRequests),
        nar_bytes: set("cache_traffic.nar_bytes", "+", traffic.narBytes),
      })),
    )
    .execute();
}

/** Hours with traffic since that time, the oldest first. */
export function listTraffic(db: Queries, cacheId: string, since: number): Promise<TrafficHour[]> {
  return db
    .selectFrom("cache_traffic")
    .select(["hour_at as hourAt", "hits", "misses"])
    .select(["nar_requests as narRequests", "nar_bytes as narBytes"])
    .where("cache_id", "=", cacheId)
    .where("hour_at", ">=", since)
    .orderBy("hour_at")
    .execute();
}

/** Who reads a cache with credentials. */
export interface Reader {
  readonly userId: string;
  /** null for a session. */
  readonly apiKeyId: string | null;
}

export interface ReaderTraffic extends Traffic {
  readonly cacheId: string;
  readonly reader: Reader;
}

const DAY_MS = 24 * HOUR_MS;

/** Adds to the reader's figures of the day. */
export async function addReaderTraffic(
  db: Queries,
  { cacheId, reader, ...traffic }: ReaderTraffic,
  now: number,
): Promise<void> {
  await db
    .insertInto("cache_reader_traffic")
    .columns([
      "cache_id",
      "user_id",
      "api_key_id",
      "day_at",
      "hits",
      "misses",
      "nar_requests",
      "nar_bytes",
    ])
    // Cache and user may have been deleted meanwhile.
    .expression((query) =>
      query
        .selectFrom(["caches", "users"])
        .select((select) => [
          "caches.id as cache_id",
          "users.id as user_id",
          select.val(reader.apiKeyId ?? "").as("api_key_id"),
          select.val(now - (now % DAY_MS)).as("day_at"),
          select.val(traffic.hits).as("hits"),
          select.val(traffic.misses).as("misses"),
          select.val(traffic.narRequests).as("nar_requests"),
          select.val(traffic.narBytes).as("nar_bytes"),
        ])
        .where("caches.id", "=", cacheId)
        .where("users.id", "=", reader.userId),
    )
    .onConflict((conflict) =>
      conflict.columns(["cache_id", "day_at", "user_id", "api_key_id"]).doUpdateSet((set) => ({
        hits: set("cache_reader_traffic.hits", "+", traffic.hits),
        misses: set("cache_reader_traffic.misses", "+", traffic.misses),
        nar_requests: set("cache_reader_traffic.nar_requests", "+", traffic.narRequests),
        nar_bytes: set("cache_reader_traffic.nar_bytes", "+", traffic.narBytes),
      })),
    )
    .execute();
}

export interface ShownReader extends Traffic {
  readonly userId: string;
  readonly username: string;
  /** null for sessions. */
  readonly apiKeyId: string | null;
  /** null also for a key that was deleted. */
  readonly apiKeyName: string | null;
  /** The last day with traffic, milliseconds; begins then. */
  readonly lastDayAt: number;
}

/** Who has read the cache since that time, those who took most bytes first. */
export async function listReaders(
  db: Queries,
  cacheId: string,
  since: number,
  limit: number,
): Promise<ShownReader[]> {
  const rows = await db
    .selectFrom("cache_reader_traffic as t")
    .innerJoin("users", "users.id", "t.user_id")
    .leftJoin("api_keys", "api_keys.id", "t.api_key_id")
    .select((select) => [
      "t.user_id as userId",
      "users.username",
      "t.api_key_id as apiKeyId",
      "api_keys.name as apiKeyName",
      select.fn.sum<number>("t.hits").as("hits"),
      select.fn.sum<number>("t.misses").as("misses"),
      select.fn.sum<number>("t.nar_requests").as("narRequests"),
      select.fn.sum<number>("t.nar_bytes").as("narBytes"),
      select.fn.max<number>("t.day_at").as("lastDayAt"),
    ])
    .where("t.cache_id", "=", cacheId)
    .where("t.day_at", ">=", since)
    .groupBy(["t.user_id", "t.api_key_id"])
    .orderBy("narBytes", "desc")
    .orderBy("t.user_id")
    .orderBy("t.api_key_id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, apiKeyId: row.apiKeyId === "" ? null : row.apiKeyId }));
}

/** Forgets figures of readers from before that time. */
export async function deleteReaderTraffic(db: Queries, before: number): Promise<void> {
  await db.deleteFrom("cache_reader_traffic").where("day_at", "<", before).execute();
}

/** Names of caches by id; nothing for those that are gone. */
export async function findCacheNames(
  db: Queries,
  ids: readonly string[],
): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("caches")
    .select(["id", "name"])
    .where("id", "in", ids)
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}
