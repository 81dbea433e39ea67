import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

const required = (column: ColumnDefinitionBuilder) => column.notNull();

/** Roles that organizations and caches make for themselves, kinds of upstreams, and what is still to be shown or signed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createRoles(db);
  await renewUpstreams(db);
  await createBackfills(db);
  await createKeyChanges(db);
  await db.schema
    .createIndex("organizations_public")
    .on("organizations")
    .columns(["created_at", "id"])
    .where(sql.ref("public"), "=", sql.lit(1))
    .execute();
  await db.schema
    .createIndex("caches_public")
    .on("caches")
    .columns(["created_at", "id"])
    .where(sql.ref("public"), "=", sql.lit(1))
    .execute();
}

/** Each belongs to one organization or to one cache. */
async function createRoles(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("roles")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("organization_id", "text", (column) =>
      column.references("organizations.id").onDelete("cascade"),
    )
    .addColumn("cache_id", "text", (column) => column.references("caches.id").onDelete("cascade"))
    .addColumn("name", "text", required)
    .addColumn("permissions", "bigint", required)
    .addColumn("managed", "integer", required)
    .addColumn("created_at", "bigint", required)
    .addUniqueConstraint("roles_of_organization", ["organization_id", "name"])
    .addUniqueConstraint("roles_of_cache", ["cache_id", "name"])
    .execute();
}

/** SQLite takes no `not null` away from a column: the table is made anew. */
async function renewUpstreams(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("new_cache_upstreams")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("cache_id", "text", (column) =>
      column.notNull().references("caches.id").onDelete("cascade"),
    )
    .addColumn("kind", "text", required)
    .addColumn("display_name", "text", required)
    .addColumn("mode", "text", required)
    .addColumn("url", "text")
    .addColumn("public_key", "text")
    .addColumn("upstream_cache_id", "text", (column) =>
      column.references("caches.id").onDelete("cascade"),
    )
    .addColumn("remote_cache", "text")
    .addColumn("sealed_api_key", "text")
    .addColumn("created_at", "bigint", required)
    .execute();
  await sql`
    insert into new_cache_upstreams (id, cache_id, kind, display_name, mode, url, public_key, created_at)
    select id, cache_id, 'http', url, 'ReadOnly', url, public_key, created_at from cache_upstreams
  `.execute(db);
  await db.schema.dropTable("cache_upstreams").execute();
  await db.schema.alterTable("new_cache_upstreams").renameTo("cache_upstreams").execute();
  await db.schema
    .createIndex("cache_upstreams_by_cache_id")
    .on("cache_upstreams")
    .columns(["cache_id", "created_at"])
    .execute();
  await db.schema
    .createIndex("cache_upstreams_by_upstream_cache_id")
    .on("cache_upstreams")
    .column("upstream_cache_id")
    .execute();
}

async function createBackfills(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("cache_backfills")
    .addColumn("organization_id", "text", (column) =>
      column.notNull().references("organizations.id").onDelete("cascade"),
    )
    .addColumn("cache_id", "text", (column) =>
      column.notNull().references("caches.id").onDelete("cascade"),
    )
    .addColumn("last_derivation_id", "integer", required)
    .addPrimaryKeyConstraint("cache_backfills_key", ["organization_id", "cache_id"])
    .execute();
  await db.schema
    .createIndex("cache_backfills_by_cache_id")
    .on("cache_backfills")
    .column("cache_id")
    .execute();
}

async function createKeyChanges(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("worker_key_changes")
    .addColumn("worker_id", "text", required)
    .addColumn("old_public_key", "text", required)
    .addColumn("cache_id", "text", required)
    .addColumn("hash_part", "text", required)
    .addPrimaryKeyConstraint("worker_key_changes_key", ["worker_id", "old_public_key"])
    .execute();
  await db.schema
    .createIndex("workers_pending_key")
    .on("workers")
    .column("id")
    .where(sql.ref("pending_public_key"), "is not", null)
    .execute();
}
