import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

const required = (column: ColumnDefinitionBuilder) => column.notNull();
const off = (column: ColumnDefinitionBuilder) => column.notNull().defaultTo(0);

/** What happened to accounts; refers to nothing, so that it outlives who did it and what it was done to. */
async function createAuditTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("audit_events")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("event", "text", required)
    .addColumn("user_id", "text")
    .addColumn("api_key_id", "text")
    .addColumn("ip", "text")
    .addColumn("user_agent", "text")
    .addColumn("subject", "text")
    .addColumn("details_json", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createIndex("audit_events_by_user_id_created_at_id")
    .on("audit_events")
    .columns(["user_id", "created_at", "id"])
    .execute();
}

async function extendUsers(db: Kysely<unknown>): Promise<void> {
  const users = db.schema.alterTable("users");
  await users.addColumn("managed", "integer", off).execute();
  await users.addColumn("oidc_issuer", "text").execute();
  await users.addColumn("oidc_subject", "text").execute();
  await users.addColumn("verification_hash", "text").execute();
  await users.addColumn("verification_expires_at", "bigint").execute();
  await db.schema
    .createIndex("users_by_oidc_issuer_oidc_subject")
    .on("users")
    .columns(["oidc_issuer", "oidc_subject"])
    .unique()
    .execute();
  await db.schema
    .createIndex("users_by_verification_hash")
    .on("users")
    .column("verification_hash")
    .execute();
  // People are searched for by how their names begin, whatever the case.
  for (const column of ["username", "name"]) {
    await db.schema
      .createIndex(`users_by_lower_${column}`)
      .on("users")
      .expression(sql`lower(${sql.ref(column)})`)
      .execute();
  }
}

async function extendSessions(db: Kysely<unknown>): Promise<void> {
  const sessions = db.schema.alterTable("sessions");
  await sessions.addColumn("user_agent", "text").execute();
  await sessions.addColumn("ip", "text").execute();
  await sessions.addColumn("remember_me", "integer", off).execute();
}

async function createDeviceLogins(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("device_logins")
    .addColumn("device_code_hash", "text", (column) => column.primaryKey().notNull())
    .addColumn("user_code_hash", "text", (column) => column.notNull().unique())
    .addColumn("state", "text", required)
    .addColumn("user_id", "text", (column) => column.references("users.id").onDelete("cascade"))
    .addColumn("user_agent", "text")
    .addColumn("ip", "text")
    .addColumn("created_at", "bigint", required)
    .addColumn("expires_at", "bigint", required)
    .execute();
  await db.schema
    .createIndex("device_logins_by_user_id")
    .on("device_logins")
    .column("user_id")
    .execute();
  await db.schema
    .createIndex("device_logins_by_expires_at")
    .on("device_logins")
    .column("expires_at")
    .execute();
}

/** Everything about accounts that the first release did not have: audit trail, e-mail verification, OIDC, sessions that can be listed, device login. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createAuditTable(db);
  await extendUsers(db);
  await extendSessions(db);
  await createDeviceLogins(db);
}
