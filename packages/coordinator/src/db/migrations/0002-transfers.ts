import type { Kysely } from "kysely";

/** What an organization has shown to have, and the hosts that it believes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nar_possessions")
    .addColumn("organization_id", "text", (column) =>
      column.notNull().references("organizations.id").onDelete("cascade"),
    )
    .addColumn("nar_hash", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("nar_possessions_key", ["organization_id", "nar_hash"])
    .execute();
  await db.schema
    .createIndex("nar_possessions_by_created_at")
    .on("nar_possessions")
    .column("created_at")
    .execute();
  await db.schema
    .createTable("known_host_keys")
    .addColumn("organization_id", "text", (column) =>
      column.notNull().references("organizations.id").onDelete("cascade"),
    )
    .addColumn("host", "text", (column) => column.notNull())
    .addColumn("key", "text", (column) => column.notNull())
    .addColumn("worker_id", "text", (column) => column.notNull())
    .addColumn("seen_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("known_host_keys_key", ["organization_id", "host"])
    .execute();
}
