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
