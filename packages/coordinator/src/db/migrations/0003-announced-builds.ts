import type { Kysely } from "kysely";

/** Builds whose outputs are stored while their signatures are still on the way. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("builds")
    .addColumn("is_announced", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
}
