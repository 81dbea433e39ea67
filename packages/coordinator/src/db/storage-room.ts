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
    .where(sql<boolean>`t.file_bytes >= c.max_storage_gb * ${BYTES_PER_GB}`)
    .executeTakeFirst();
  return full !== undefined;
}

/** Bytes that a file may have to be kept in the cache; null for as many as it likes. */
export async function roomInCache(
  db: Queries,
  cacheId: string,
  maxStorageBytes: number,
): Promise<number | null> {
  const cache = await db
    .selectFrom("caches as c")
    .leftJoin("cache_totals as t", "t.cache_id", "c.id")
    .select(["c.max_storage_gb as maxStorageGb", "t.file_bytes as fileBytes"])
    .where("c.id", "=", cacheId)
    .executeTakeFirst();
  const rooms: number[] = [];
  if (cache !== undefined && cache.maxStorageGb > 0) {
    rooms.push(cache.maxStorageGb * BYTES_PER_GB - (cache.fileBytes ?? 0));
  }
  if (maxStorageBytes > 0) rooms.push(maxStorageBytes - (await diskBytes(db)));
  return rooms.length === 0 ? null : Math.min(...rooms);
}

async function diskBytes(db: Queries): Promise<number> {
  const row = await db
    .selectFrom("nar_totals")
    .select("file_bytes")
    .where("id", "=", 1)
    .executeTakeFirst();
  return row?.file_bytes ?? 0;
}
