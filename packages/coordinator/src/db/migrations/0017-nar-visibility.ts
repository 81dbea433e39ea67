import { sql, type Kysely } from "kysely";

/** Whether a cache shows a NAR is one look: with an index of NARs alone, SQLite went through all paths of the cache instead. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index cache_paths_by_nar_hash_cache_id on cache_paths (nar_hash, cache_id)`.execute(
    db,
  );
  await sql`drop index cache_paths_by_nar_hash`.execute(db);
}
