import { sql, type Kysely } from "kysely";

/** What starts evaluations by itself, the forges that it is told by, and what they are told back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createIntegrationTables(db);
  await createTriggerTables(db);
  await extendEvaluations(db);
  await index(db, "projects", ["repository"]);
}

async function createIntegrationTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("integrations")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("organization_id", "text", (column) =>
      column.notNull().references("organizations.id").onDelete("cascade"),
    )
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("display_name", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("forge", "text", (column) => column.notNull())
    .addColumn("endpoint_url", "text")
    .addColumn("secret", "text")
    .addColumn("access_token", "text")
    .addColumn("created_by", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addUniqueConstraint("integrations_name", ["organization_id", "kind", "name"])
    .execute();
  await db.schema
    .createTable("hook_deliveries")
    .addColumn("integration_id", "text", (column) =>
      column.notNull().references("integrations.id").onDelete("cascade"),
    )
    .addColumn("delivery", "text", (column) => column.notNull())
    .addColumn("received_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("hook_deliveries_key", ["integration_id", "delivery"])
    .execute();
  await index(db, "hook_deliveries", ["received_at"]);
}

async function createTriggerTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("triggers")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("project_id", "text", (column) =>
      column.notNull().references("projects.id").onDelete("cascade"),
    )
    .addColumn("type", "text", (column) => column.notNull())
    .addColumn("config_json", "text", (column) => column.notNull())
    .addColumn("integration_id", "text", (column) =>
      column.references("integrations.id").onDelete("set null"),
    )
    .addColumn("active", "integer", (column) => column.notNull())
    .addColumn("due_at", "bigint")
    .addColumn("checked_at", "bigint")
    .addColumn("revision", "text")
    .addColumn("failures", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("error", "text")
    .addColumn("fired_at", "bigint")
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("updated_at", "bigint", (column) => column.notNull())
    .execute();
  await index(db, "triggers", ["project_id", "created_at"]);
  await index(db, "triggers", ["integration_id"]);
  await db.schema
    .createIndex("triggers_due")
    .on("triggers")
    .column("due_at")
    .where(sql.ref("due_at"), "is not", null)
    .execute();
  await db.schema
    .createTable("forge_reports")
    .addColumn("evaluation_id", "text", (column) =>
      column.primaryKey().notNull().references("evaluations.id").onDelete("cascade"),
    )
    .addColumn("integration_id", "text", (column) =>
      column.notNull().references("integrations.id").onDelete("cascade"),
    )
    .addColumn("sent", "text")
    .addColumn("tries", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("due_at", "bigint", (column) => column.notNull())
    .execute();
  await index(db, "forge_reports", ["due_at"]);
  await index(db, "forge_reports", ["integration_id"]);
}

async function extendEvaluations(db: Kysely<unknown>): Promise<void> {
  const columns = [
    ["revision", "text"],
    ["reference", "text"],
    ["trigger_id", "text"],
    ["trigger_type", "text"],
    ["pr_number", "integer"],
    ["pr_author", "text"],
    ["approved_by", "text"],
  ] as const;
  for (const [name, type] of columns) {
    await db.schema.alterTable("evaluations").addColumn(name, type).execute();
  }
  await db.schema
    .alterTable("evaluations")
    .addColumn("needs_approval", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await index(db, "evaluations", ["project_id", "revision"]);
}

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns.join("_")}`)
    .on(table)
    .columns(columns)
    .execute();
}
