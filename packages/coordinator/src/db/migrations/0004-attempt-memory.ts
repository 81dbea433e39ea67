import type { Kysely } from "kysely";

/** What an attempt asks for after one that ran out of memory. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("attempts").addColumn("memory_bytes", "bigint").execute();
}
