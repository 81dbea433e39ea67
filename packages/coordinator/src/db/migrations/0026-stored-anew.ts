import { sql, type Kysely } from "kysely";

/** An object whose bytes were lost is stored anew, in a file of another size: what is counted follows. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create trigger nar_objects_file_size after update of file_size on nar_objects
    when old.file_size <> new.file_size begin
      update nar_totals set file_bytes = file_bytes - old.file_size + new.file_size where id = 1;
      update cache_totals
      set file_bytes = file_bytes + (new.file_size - old.file_size) *
        (select count(*) from cache_paths p where p.nar_hash = new.nar_hash and p.cache_id = cache_totals.cache_id)
      where cache_id in (select p.cache_id from cache_paths p where p.nar_hash = new.nar_hash);
    end
  `.execute(db);
}
