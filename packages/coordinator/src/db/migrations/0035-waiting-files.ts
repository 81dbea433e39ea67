import { sql, type Kysely } from "kysely";

/** Files that a cache was given and that no path has shown yet are counted, as they take space. Once shown, its paths count them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  "alter table cache_nar_files add column is_waiting integer not null default 0",
  "alter table cache_totals add column waiting_bytes integer not null default 0",
  `update cache_nar_files set is_waiting = 1 where not exists (
    select 1 from cache_paths p
    where p.nar_hash = cache_nar_files.nar_hash and p.cache_id = cache_nar_files.cache_id)`,
  `insert into cache_totals (cache_id, paths, nar_bytes, file_bytes, waiting_bytes)
  select cache_id, 0, 0, 0, sum(file_size) from cache_nar_files where is_waiting = 1 group by cache_id
  on conflict (cache_id) do update set waiting_bytes = excluded.waiting_bytes`,
  "create index cache_nar_files_waiting on cache_nar_files (nar_hash, cache_id) where is_waiting = 1",
  `create trigger cache_nar_files_insert after insert on cache_nar_files when new.is_waiting = 1 begin
    insert into cache_totals (cache_id, paths, nar_bytes, file_bytes, waiting_bytes)
    values (new.cache_id, 0, 0, 0, new.file_size)
    on conflict (cache_id) do update set waiting_bytes = waiting_bytes + excluded.waiting_bytes;
  end`,
  `create trigger cache_nar_files_update after update of is_waiting on cache_nar_files
  when new.is_waiting <> old.is_waiting begin
    update cache_totals
    set waiting_bytes = waiting_bytes + (new.is_waiting - old.is_waiting) * new.file_size
    where cache_id = new.cache_id;
  end`,
  `create trigger cache_nar_files_delete after delete on cache_nar_files when old.is_waiting = 1 begin
    update cache_totals set waiting_bytes = waiting_bytes - old.file_size where cache_id = old.cache_id;
  end`,
  `create trigger cache_paths_waiting after insert on cache_paths begin
    update cache_nar_files set is_waiting = 0
    where nar_hash = new.nar_hash and cache_id = new.cache_id and is_waiting = 1;
  end`,
];
