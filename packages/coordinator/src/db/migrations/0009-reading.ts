import type { Kysely } from "kysely";

/** What is read of builds and evaluations: products, what changed lately, and the neighbours of an evaluation. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nar_build_products")
    .addColumn("nar_hash", "text", (column) =>
      column.primaryKey().references("nar_objects.nar_hash").onDelete("cascade"),
    )
    .addColumn("products_json", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("builds_by_organization_id_updated_at")
    .on("builds")
    .columns(["organization_id", "updated_at"])
    .execute();
  await db.schema
    .createIndex("evaluations_by_project_id_id")
    .on("evaluations")
    .columns(["project_id", "id"])
    .execute();
}
