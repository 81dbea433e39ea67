import { sql, type Kysely } from "kysely";

/** What a state file declares, by table: those that it declared may go again when they leave it, and nothing else may. */
const MARKED = ["worker_registrations", "integrations", "cache_subscriptions"];
const MANAGED = ["users", "api_keys", "organizations", "roles", "caches", "projects", ...MARKED];

/** Which rows come from a state file, and what command lines have changed beside a running coordinator. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of MARKED) {
    await db.schema
      .alterTable(table)
      .addColumn("managed", "integer", (column) => column.notNull().defaultTo(0))
      .execute();
  }
  for (const table of MANAGED) {
    await sql`
      create index ${sql.id(`${table}_managed`)} on ${sql.table(table)} (managed) where managed = 1
    `.execute(db);
  }
  await db.schema
    .createTable("notices")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement().notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("subject", "text", (column) => column.notNull())
    .execute();
}
