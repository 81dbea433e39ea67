import { sql } from "kysely";
import type { Queries } from "./client.ts";

/** Stores what an uploader leaves beside the paths; the newest of a name stays. */
export async function putCacheDocument(
  db: Queries,
  document: { cacheId: string; name: string; body: Uint8Array; now: number },
): Promise<void> {
  const { cacheId, name, body, now } = document;
  await db
    .insertInto("cache_documents")
    .values({ cache_id: cacheId, name, body, created_at: now })
    .onConflict((conflict) =>
      conflict.columns(["cache_id", "name"]).doUpdateSet({ body, created_at: now }),
    )
    .execute();
}

/** Of the packed body; 0 when the cache has nothing of that name. */
export async function findDocumentBytes(
  db: Queries,
  cacheId: string,
  name: string,
): Promise<number> {
  const row = await db
    .selectFrom("cache_documents")
    .select(sql<number>`length(body)`.as("bytes"))
    .where("cache_id", "=", cacheId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.bytes ?? 0;
}

/** The packed body; null when the cache has nothing of that name. */
export async function findCacheDocument(
  db: Queries,
  cacheId: string,
  name: string,
): Promise<Uint8Array | null> {
  const row = await db
    .selectFrom("cache_documents")
    .select("body")
    .where("cache_id", "=", cacheId)
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.body ?? null;
}
