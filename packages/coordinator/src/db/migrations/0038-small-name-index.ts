import { sql, type Kysely } from "kysely";

/**
 * Whoever looks for a name reads the names of a whole cache, and for each path that is shown its NAR's row: with a number in place of the cache's id the index is less than half as
 * long, and with the file's size beside the NAR's the rows of NARs are not needed.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  "alter table caches add column number integer",
  "update caches set number = rowid",
  "create unique index caches_by_number on caches (number)",
  "drop index cache_paths_by_name",
  "alter table cache_paths add column cache_number integer",
  "alter table cache_paths add column file_size integer",
  `update cache_paths set
    cache_number = (select number from caches where id = cache_paths.cache_id),
    file_size = (select file_size from nar_objects where nar_hash = cache_paths.nar_hash)`,
  "create index cache_paths_by_name on cache_paths (cache_number, lower(substr(path, 34)))",
  `create trigger cache_paths_file_size after update of file_size on nar_objects
  when old.file_size <> new.file_size begin
    update cache_paths set file_size = new.file_size where nar_hash = new.nar_hash;
  end`,
];
