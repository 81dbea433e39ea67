import type { TestServer } from "../../server.test-support.ts";

const HASH = "00000000000000000000000000000001";

/** Lets a cache show a path whose NAR has these facts; the bytes are the test's business. */
export async function seedPath(
  server: Pick<TestServer, "services">,
  cacheName: string,
  nar: { narHash: string; fileHash: string; size: number },
): Promise<void> {
  const db = server.services.database.kysely;
  const cache = await db
    .selectFrom("caches")
    .select("id")
    .where("name", "=", cacheName)
    .executeTakeFirstOrThrow();
  await db
    .insertInto("nar_objects")
    .values({
      nar_hash: nar.narHash,
      nar_size: nar.size,
      file_hash: nar.fileHash,
      file_size: nar.size,
      compression: "zstd",
      created_at: 1,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await db
    .insertInto("cache_paths")
    .values({
      cache_id: cache.id,
      hash_part: HASH,
      path: `${HASH}-hello`,
      nar_hash: nar.narHash,
      references_json: "[]",
      deriver: null,
      signatures_json: "[]",
      created_at: 1,
      fetch_count: 0,
    })
    .execute();
}
