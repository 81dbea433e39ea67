import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

/** Several keys for each cache, and what its readers fetched. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_keys")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("key_name", "text", required)
    .addColumn("public_key", "text", required)
    .addColumn("private_key", "text")
    .addColumn("state", "text", required)
    .addColumn("is_complete", "integer", required)
    .addColumn("created_at", "bigint", required)
    .addUniqueConstraint("cache_keys_by_name", ["cache_id", "key_name"])
    .execute();
  // The secret stays sealed for its cache, so it needs no master key to move.
  await sql`
    insert into cache_keys
      (id, cache_id, key_name, public_key, private_key, state, is_complete, created_at)
    select id, id, key_name, public_key, private_key, 'active', 1, created_at from caches
  `.execute(db);
  for (const column of ["key_name", "public_key", "private_key"]) {
    await db.schema.alterTable("caches").dropColumn(column).execute();
  }
  await db.schema
    .createTable("cache_key_sweeps")
    .addColumn("cache_id", "text", (column) =>
      column.primaryKey().references("caches.id").onDelete("cascade"),
    )
    .addColumn("hash_part", "text", required)
    .execute();
  await db.schema
    .createTable("cache_reader_traffic")
    .addColumn("cache_id", "text", ownedByCache)
    .addColumn("day_at", "bigint", required)
    .addColumn("user_id", "text", (column) =>
      column.notNull().references("users.id").onDelete("cascade"),
    )
    .addColumn("api_key_id", "text", required)
    .addColumn("hits", "bigint", required)
    .addColumn("misses", "bigint", required)
    .addColumn("nar_requests", "bigint", required)
    .addColumn("nar_bytes", "bigint", required)
    .addPrimaryKeyConstraint("cache_reader_traffic_key", [
      "cache_id",
      "day_at",
      "user_id",
      "api_key_id",
    ])
    .execute();
  for (const column of ["user_id", "day_at"]) {
    await db.schema
      .createIndex(`cache_reader_traffic_by_${column}`)
      .on("cache_reader_traffic")
      .column(column)
      .execute();
  }
}

type Column = ColumnDefinitionBuilder;

const required = (column: Column): Column => column.notNull();
const ownedByCache = (column: Column): Column =>
  column.notNull().references("caches.id").onDelete("cascade");
