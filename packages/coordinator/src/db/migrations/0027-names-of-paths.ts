import { sql, type Kysely } from "kysely";

/** Paths of a cache are looked for by a part of their name: an index of names, as they are compared, is half as long as one of whole paths. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index cache_paths_by_cache_id_path`.execute(db);
  await sql`create index cache_paths_by_name on cache_paths (cache_id, lower(substr(path, 34)))`.execute(
    db,
  );
}
