import { sql } from "kysely";
import { BYTES_PER_GB } from "../rules/storage.ts";
import type { Queries } from "./client.ts";

/** Whether a cache that the organization publishes in is full, or the disk is as far as it may be used. */
export async function isStorageFull(
  db: Queries,
  organization: string,
  maxStorageBytes: number,
): Promise<boolean> {
  if (maxStorageBytes > 0 && (await diskBytes(db)) >= maxStorageBytes) return true;
  const full = await db
    .selectFrom("cache_subscriptions as s")
    .innerJoin("caches as c", "c.id", "s.cache_id")
    .innerJoin("cache_totals as t", "t.cache_id", "c.id")
    .select("c.id")
    .where("s.organization_id", "=", organization)
    .where("s.mode", "in", ["ReadWrite", "WriteOnly"])
    .where("c.active", "=", 1)
    .where("c.max_storage_gb", ">", 0)
    .where(sql<boolean>`t.stored_bytes >= c.max_storage_gb * ${BYTES_PER_GB}`)
    .executeTakeFirst();
  return full !== undefined;
}

/** What is stored for a cache, in compressed bytes. */
export interface CacheStorage {
  readonly cacheId: string;
  readonly name: string;
  /** 0 for no limit. */
  readonly limitBytes: number;
  /** What it shows, what it was given and does not show yet, and what lies beside its paths. */
  readonly storedBytes: number;
  /** Of all caches. */
  readonly diskBytes: number;
}

/** Throws when there is no such cache. */
export async function findCacheStorage(db: Queries, cacheId: string): Promise<CacheStorage> {
  const { name, gigabytes, stored } = await db
    .selectFrom("caches as c")
    .leftJoin("cache_totals as t", "t.cache_id", "c.id")
    .select(["c.name", "c.max_storage_gb as gigabytes", "t.stored_bytes as stored"])
    .where("c.id", "=", cacheId)
    .executeTakeFirstOrThrow();
  return {
    cacheId,
    name,
    limitBytes: gigabytes * BYTES_PER_GB,
    storedBytes: stored ?? 0,
    diskBytes: await diskBytes(db),
  };
}

/** Whether the NAR was given to the cache, or a path of the cache has it. */
export async function isNarInCache(
  db: Queries,
  cacheId: string,
  narHash: string,
): Promise<boolean> {
  for (const table of ["cache_nar_files", "cache_paths"] as const) {
    const row = await db
      .selectFrom(table)
      .select("nar_hash")
      .where("nar_hash", "=", narHash)
      .where("cache_id", "=", cacheId)
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined) return true;
  }
  return false;
}

async function diskBytes(db: Queries): Promise<number> {
  const row = await db
    .selectFrom("nar_totals")
    .select("stored_bytes")
    .where("id", "=", 1)
    .executeTakeFirst();
  return row?.stored_bytes ?? 0;
}
