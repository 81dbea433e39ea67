import type { ColumnDefinitionBuilder, Kysely } from "kysely";

const required = (column: ColumnDefinitionBuilder) => column.notNull();
const ownedBy = (target: string) => (column: ColumnDefinitionBuilder) =>
  column.notNull().references(target).onDelete("cascade");

/** Sources that clients upload: files known by their hash, what a session wants to have built, and builds of uploaded files. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createBlobTable(db);
  await createSessionTable(db);
  await createDirectBuildTable(db);
  await db.schema.alterTable("evaluations").addColumn("input_overrides_json", "text").execute();
}

async function createBlobTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("source_blobs")
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("hash", "text", required)
    .addColumn("size", "bigint", required)
    .addColumn("last_used_at", "bigint", required)
    .addPrimaryKeyConstraint("source_blobs_key", ["organization_id", "hash"])
    .execute();
  await db.schema
    .createIndex("source_blobs_by_last_use")
    .on("source_blobs")
    .columns(["organization_id", "last_used_at"])
    .execute();
  await db.schema
    .createIndex("source_blobs_by_age")
    .on("source_blobs")
    .column("last_used_at")
    .execute();
}

async function createSessionTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("build_request_sessions")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("user_id", "text", ownedBy("users.id"))
    .addColumn("files_json", "text", required)
    .addColumn("created_at", "bigint", required)
    .addColumn("expires_at", "bigint", required)
    .addColumn("dispatched_at", "bigint")
    .execute();
  for (const column of ["organization_id", "user_id", "expires_at"]) {
    await db.schema
      .createIndex(`build_request_sessions_by_${column}`)
      .on("build_request_sessions")
      .column(column)
      .execute();
  }
}

async function createDirectBuildTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("direct_builds")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("evaluation_id", "text", ownedBy("evaluations.id"))
    .addColumn("derivation", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createIndex("direct_builds_by_organization")
    .on("direct_builds")
    .columns(["organization_id", "created_at"])
    .execute();
  await db.schema
    .createIndex("direct_builds_by_evaluation")
    .on("direct_builds")
    .column("evaluation_id")
    .execute();
}
