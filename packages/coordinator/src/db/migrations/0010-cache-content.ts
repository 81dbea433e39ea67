import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

/** What caches were given, what refers to what in them, and what was fetched from them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_nar_files")
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("file_hash", "text", required)
    .addColumn("compression", "text", required)
    .addColumn("file_size", "bigint", required)
    .addColumn("nar_hash", "text", (column) => column.notNull().references("nar_objects.nar_hash"))
    .addColumn("created_at", "bigint", required)
    .addPrimaryKeyConstraint("cache_nar_files_key", ["cache_id", "file_hash"])
    .execute();
  await index(db, "cache_nar_files", ["nar_hash"]);
  await index(db, "cache_nar_files", ["created_at"]);
  await createReferenceTable(db);
  await createTotals(db);
  await createDocumentTables(db);
  await index(db, "nar_possessions", ["nar_hash"]);
  await db.schema.alterTable("cache_paths").addColumn("nar_size", "bigint").execute();
  await sql`
    update cache_paths
    set nar_size = (select n.nar_size from nar_objects n where n.nar_hash = cache_paths.nar_hash)
  `.execute(db);
  for (const column of ["created_at", "last_fetched_at", "nar_size", "path"]) {
    await index(db, "cache_paths", ["cache_id", column]);
  }
}

/** Hash parts of references and of those who refer to them, in each cache; a path that refers to itself is not among them. */
async function createReferenceTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_path_references")
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("reference", "text", required)
    .addColumn("referrer", "text", required)
    .addPrimaryKeyConstraint("cache_path_references_key", ["cache_id", "reference", "referrer"])
    .modifyEnd(sql`without rowid`)
    .execute();
  await sql`
    insert or ignore into cache_path_references (cache_id, reference, referrer)
    select p.cache_id, substr(r.value, 1, 32), p.hash_part
    from cache_paths p,
      json_each(case when json_valid(p.references_json) then p.references_json else '[]' end) r
    where substr(r.value, 1, 32) <> p.hash_part
  `.execute(db);
  // Whoever shows or removes a path: what refers to what is always known.
  await sql`
    create trigger cache_paths_references_insert after insert on cache_paths
    when json_valid(new.references_json) begin
      insert or ignore into cache_path_references (cache_id, reference, referrer)
      select new.cache_id, substr(r.value, 1, 32), new.hash_part
      from json_each(new.references_json) r where substr(r.value, 1, 32) <> new.hash_part;
    end
  `.execute(db);
  await sql`
    create trigger cache_paths_references_delete after delete on cache_paths
    when json_valid(old.references_json) begin
      delete from cache_path_references
      where cache_id = old.cache_id and referrer = old.hash_part and reference in
        (select substr(r.value, 1, 32) from json_each(old.references_json) r);
    end
  `.execute(db);
}

/** How much each cache shows: counted with every path that comes or goes, and to be counted anew by the query that fills it here. */
async function createTotals(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_totals")
    .addColumn("cache_id", "text", (column) =>
      column.primaryKey().references("caches.id").onDelete("cascade"),
    )
    .addColumn("paths", "bigint", required)
    .addColumn("nar_bytes", "bigint", required)
    .addColumn("file_bytes", "bigint", required)
    .execute();
  await sql`
    insert into cache_totals (cache_id, paths, nar_bytes, file_bytes)
    select p.cache_id, count(*), sum(n.nar_size), sum(n.file_size)
    from cache_paths p join nar_objects n on n.nar_hash = p.nar_hash group by p.cache_id
  `.execute(db);
  await sql`
    create trigger cache_paths_totals_insert after insert on cache_paths begin
      insert into cache_totals (cache_id, paths, nar_bytes, file_bytes)
      select new.cache_id, 1, n.nar_size, n.file_size from nar_objects n where n.nar_hash = new.nar_hash
      on conflict (cache_id) do update set paths = paths + 1,
        nar_bytes = nar_bytes + excluded.nar_bytes, file_bytes = file_bytes + excluded.file_bytes;
    end
  `.execute(db);
  await sql`
    create trigger cache_paths_totals_delete after delete on cache_paths begin
      update cache_totals set paths = paths - 1,
        nar_bytes = nar_bytes - (select nar_size from nar_objects where nar_hash = old.nar_hash),
        file_bytes = file_bytes - (select file_size from nar_objects where nar_hash = old.nar_hash)
      where cache_id = old.cache_id;
    end
  `.execute(db);
}

/** Small things that uploaders leave beside the paths, and what was fetched. */
async function createDocumentTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_documents")
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("name", "text", required)
    .addColumn("body", "blob", required)
    .addColumn("created_at", "bigint", required)
    .addPrimaryKeyConstraint("cache_documents_key", ["cache_id", "name"])
    .execute();
  await db.schema
    .createTable("cache_traffic")
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("hour_at", "bigint", required)
    .addColumn("hits", "bigint", required)
    .addColumn("misses", "bigint", required)
    .addColumn("nar_requests", "bigint", required)
    .addColumn("nar_bytes", "bigint", required)
    .addPrimaryKeyConstraint("cache_traffic_key", ["cache_id", "hour_at"])
    .execute();
}

type Column = ColumnDefinitionBuilder;

const required = (column: Column): Column => column.notNull();
const ownedByCache = (column: Column): Column =>
  column.notNull().references("caches.id").onDelete("cascade");

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns.join("_")}`)
    .on(table)
    .columns(columns)
    .execute();
}
