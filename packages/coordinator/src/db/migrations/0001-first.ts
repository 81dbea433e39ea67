import { sql, type ColumnDefinitionBuilder, type Kysely } from "kysely";

/*
 * Times and sizes are 64 bit integers, everything else that counts is `integer`, every text is `text`. `on delete cascade` stands where the parent owns the child;
 * columns that only record who or what it was (created_by, worker_id of an attempt) refer to nothing, so that history outlives its subject.
 */

const required = (column: ColumnDefinitionBuilder) => column.notNull();
const flag = (column: ColumnDefinitionBuilder) => column.notNull();
const zero = (column: ColumnDefinitionBuilder) => column.notNull().defaultTo(0);
const id = (column: ColumnDefinitionBuilder) => column.primaryKey().notNull();
/** A number that rises and is never used twice, also after the newest rows were deleted. */
const sequence = (column: ColumnDefinitionBuilder) => column.primaryKey().autoIncrement().notNull();
const ownedBy = (target: string) => (column: ColumnDefinitionBuilder) =>
  column.notNull().references(target).onDelete("cascade");
const maybeOwnedBy = (target: string) => (column: ColumnDefinitionBuilder) =>
  column.references(target).onDelete("cascade");

async function createUserTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("users")
    .addColumn("id", "text", id)
    .addColumn("username", "text", (column) => column.notNull().unique())
    .addColumn("name", "text", required)
    .addColumn("email", "text", (column) => column.notNull().unique())
    .addColumn("password_hash", "text")
    .addColumn("superuser", "integer", flag)
    .addColumn("email_verified", "integer", flag)
    .addColumn("active", "integer", flag)
    .addColumn("created_at", "bigint", required)
    .addColumn("last_login_at", "bigint")
    .execute();
  await db.schema
    .createTable("sessions")
    .addColumn("id", "text", id)
    .addColumn("user_id", "text", ownedBy("users.id"))
    .addColumn("created_at", "bigint", required)
    .addColumn("expires_at", "bigint", required)
    .addColumn("last_used_at", "bigint", required)
    .addColumn("revoked_at", "bigint")
    .execute();
  await index(db, "sessions", ["user_id"]);
}

async function createOrganizationTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("organizations")
    .addColumn("id", "text", id)
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("display_name", "text", required)
    .addColumn("description", "text", required)
    .addColumn("public", "integer", flag)
    .addColumn("hide_build_requests", "integer", flag)
    .addColumn("ssh_public_key", "text", required)
    .addColumn("ssh_private_key", "text", required)
    .addColumn("managed", "integer", flag)
    .addColumn("created_by", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createTable("organization_members")
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("user_id", "text", ownedBy("users.id"))
    .addColumn("role", "text", required)
    .addPrimaryKeyConstraint("organization_members_key", ["organization_id", "user_id"])
    .execute();
  await index(db, "organization_members", ["user_id"]);
  await db.schema
    .createTable("projects")
    .addColumn("id", "text", id)
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("name", "text", required)
    .addColumn("display_name", "text", required)
    .addColumn("description", "text", required)
    .addColumn("repository", "text", required)
    .addColumn("wildcard", "text", required)
    .addColumn("active", "integer", flag)
    .addColumn("managed", "integer", flag)
    .addColumn("force_evaluation", "integer", flag)
    .addColumn("sign_cache", "integer", flag)
    .addColumn("keep_evaluations", "integer", required)
    .addColumn("concurrency", "text", required)
    .addColumn("created_by", "text", required)
    .addColumn("created_at", "bigint", required)
    .addUniqueConstraint("projects_name", ["organization_id", "name"])
    .execute();
}

async function createWorkerTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("worker_registrations")
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("worker_id", "text", required)
    .addColumn("display_name", "text", required)
    .addColumn("url", "text")
    .addColumn("token_hash", "text", required)
    .addColumn("enable_fetch", "integer", flag)
    .addColumn("enable_eval", "integer", flag)
    .addColumn("enable_build", "integer", flag)
    .addColumn("active", "integer", flag)
    .addColumn("created_by", "text")
    .addColumn("registered_at", "bigint", required)
    .addPrimaryKeyConstraint("worker_registrations_key", ["organization_id", "worker_id"])
    .execute();
  await index(db, "worker_registrations", ["worker_id"]);
  await db.schema
    .createTable("workers")
    .addColumn("id", "text", id)
    .addColumn("public_key", "text", required)
    .addColumn("pending_public_key", "text")
    .addColumn("epoch", "bigint", required)
    .addColumn("last_seen_at", "bigint", required)
    .execute();
}

async function createCacheTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("caches")
    .addColumn("id", "text", id)
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("display_name", "text", required)
    .addColumn("description", "text", required)
    .addColumn("active", "integer", flag)
    .addColumn("priority", "integer", required)
    .addColumn("local_priority", "integer")
    .addColumn("public", "integer", flag)
    .addColumn("key_name", "text", required)
    .addColumn("public_key", "text", required)
    .addColumn("private_key", "text", required)
    .addColumn("max_storage_gb", "integer", required)
    .addColumn("managed", "integer", flag)
    .addColumn("created_by", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createTable("cache_members")
    .addColumn("cache_id", "text", ownedBy("caches.id"))
    .addColumn("user_id", "text", ownedBy("users.id"))
    .addColumn("role", "text", required)
    .addPrimaryKeyConstraint("cache_members_key", ["cache_id", "user_id"])
    .execute();
  await index(db, "cache_members", ["user_id"]);
  await db.schema
    .createTable("cache_subscriptions")
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("cache_id", "text", ownedBy("caches.id"))
    .addColumn("mode", "text", required)
    .addColumn("created_at", "bigint", required)
    .addPrimaryKeyConstraint("cache_subscriptions_key", ["organization_id", "cache_id"])
    .execute();
  await index(db, "cache_subscriptions", ["cache_id"]);
  await db.schema
    .createTable("cache_upstreams")
    .addColumn("id", "text", id)
    .addColumn("cache_id", "text", ownedBy("caches.id"))
    .addColumn("url", "text", required)
    .addColumn("public_key", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await index(db, "cache_upstreams", ["cache_id"]);
}

async function createApiKeyTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("api_keys")
    .addColumn("id", "text", id)
    .addColumn("user_id", "text", ownedBy("users.id"))
    .addColumn("name", "text", required)
    .addColumn("secret_hash", "text", (column) => column.notNull().unique())
    .addColumn("permissions", "bigint", required)
    .addColumn("organization_id", "text", maybeOwnedBy("organizations.id"))
    .addColumn("cache_id", "text", maybeOwnedBy("caches.id"))
    .addColumn("allowed_ips_json", "text", required)
    .addColumn("managed", "integer", flag)
    .addColumn("created_at", "bigint", required)
    .addColumn("last_used_at", "bigint")
    .addColumn("expires_at", "bigint")
    .addColumn("revoked_at", "bigint")
    .execute();
  await index(db, "api_keys", ["user_id"]);
}

async function createPathTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("nar_objects")
    .addColumn("nar_hash", "text", id)
    .addColumn("nar_size", "bigint", required)
    .addColumn("file_hash", "text", required)
    .addColumn("file_size", "bigint", required)
    .addColumn("compression", "text", required)
    .addColumn("found_hashes_json", "text")
    .addColumn("created_at", "bigint", required)
    .execute();
  await index(db, "nar_objects", ["file_hash"]);
  await db.schema
    .createTable("cache_paths")
    .addColumn("cache_id", "text", ownedBy("caches.id"))
    .addColumn("hash_part", "text", required)
    .addColumn("path", "text", required)
    .addColumn("nar_hash", "text", (column) => column.notNull().references("nar_objects.nar_hash"))
    .addColumn("references_json", "text", required)
    .addColumn("deriver", "text")
    .addColumn("ca", "text")
    .addColumn("signatures_json", "text", required)
    .addColumn("created_at", "bigint", required)
    .addColumn("last_fetched_at", "bigint")
    .addColumn("fetch_count", "integer", zero)
    .addPrimaryKeyConstraint("cache_paths_key", ["cache_id", "hash_part"])
    .execute();
  await index(db, "cache_paths", ["nar_hash"]);
}

async function createEvaluationTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("commits")
    .addColumn("id", "text", id)
    .addColumn("hash", "text", required)
    .addColumn("message", "text", required)
    .addColumn("author_name", "text", required)
    .addColumn("author_email", "text", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await db.schema
    .createTable("evaluations")
    .addColumn("id", "text", id)
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("project_id", "text", maybeOwnedBy("projects.id"))
    .addColumn("repository", "text", required)
    .addColumn("wildcard", "text", required)
    .addColumn("commit_id", "text", (column) => column.references("commits.id"))
    .addColumn("state", "text", required)
    .addColumn("waiting_reason_json", "text")
    .addColumn("source_path", "text")
    .addColumn("priority", "integer", zero)
    .addColumn("unfinished_builds", "integer", zero)
    .addColumn("tries", "integer", zero)
    .addColumn("retry_at", "bigint")
    .addColumn("triggered_by", "text")
    .addColumn("created_at", "bigint", required)
    .addColumn("updated_at", "bigint", required)
    .addColumn("fetch_started_at", "bigint")
    .addColumn("eval_started_at", "bigint")
    .addColumn("building_started_at", "bigint")
    .addColumn("finished_at", "bigint")
    .addColumn("fetch_usage_json", "text")
    .addColumn("eval_usage_json", "text")
    .execute();
  await index(db, "evaluations", ["project_id", "created_at"]);
  await index(db, "evaluations", ["organization_id", "created_at"]);
  await index(db, "evaluations", ["commit_id"]);
  await db.schema
    .createIndex("evaluations_active")
    .on("evaluations")
    .column("created_at")
    .where(sql.ref("state"), "not in", sql`('Completed', 'Failed', 'Aborted')`)
    .execute();
  await db.schema
    .createTable("evaluation_messages")
    .addColumn("id", "integer", sequence)
    .addColumn("evaluation_id", "text", ownedBy("evaluations.id"))
    .addColumn("level", "text", required)
    .addColumn("text", "text", required)
    .addColumn("attribute_json", "text")
    .addColumn("created_at", "bigint", required)
    .execute();
  await index(db, "evaluation_messages", ["evaluation_id", "id"]);
}

async function createDerivationTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("derivations")
    .addColumn("id", "integer", sequence)
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("drv_path", "text", required)
    .addColumn("name", "text", required)
    .addColumn("system", "text", required)
    .addColumn("required_features_json", "text", required)
    .addColumn("is_fixed_output", "integer", flag)
    .addColumn("facts_json", "text", required)
    .addColumn("created_at", "bigint", required)
    .addUniqueConstraint("derivations_drv_path", ["organization_id", "drv_path"])
    .execute();
  await index(db, "derivations", ["drv_path"]);
  await db.schema
    .createTable("derivation_outputs")
    .addColumn("derivation_id", "integer", ownedBy("derivations.id"))
    .addColumn("name", "text", required)
    .addColumn("path", "text")
    .addPrimaryKeyConstraint("derivation_outputs_key", ["derivation_id", "name"])
    .execute();
  await index(db, "derivation_outputs", ["path"]);
  await db.schema
    .createTable("derivation_inputs")
    .addColumn("derivation_id", "integer", ownedBy("derivations.id"))
    .addColumn("input_id", "integer", ownedBy("derivations.id"))
    .addColumn("outputs_json", "text", required)
    .addPrimaryKeyConstraint("derivation_inputs_key", ["derivation_id", "input_id"])
    .execute();
  await index(db, "derivation_inputs", ["input_id", "derivation_id"]);
  await db.schema
    .createTable("derivation_sources")
    .addColumn("derivation_id", "integer", ownedBy("derivations.id"))
    .addColumn("path", "text", required)
    .addPrimaryKeyConstraint("derivation_sources_key", ["derivation_id", "path"])
    .execute();
  await db.schema
    .createTable("jobs")
    .addColumn("evaluation_id", "text", ownedBy("evaluations.id"))
    .addColumn("attribute_json", "text", required)
    .addColumn("derivation_id", "integer", maybeOwnedBy("derivations.id"))
    .addColumn("error", "text")
    .addColumn("created_at", "bigint", required)
    .addPrimaryKeyConstraint("jobs_key", ["evaluation_id", "attribute_json"])
    .execute();
  await index(db, "jobs", ["derivation_id"]);
}

async function createBuildTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("builds")
    .addColumn("id", "integer", sequence)
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("derivation_id", "integer", (column) =>
      column.notNull().unique().references("derivations.id").onDelete("cascade"),
    )
    .addColumn("state", "text", required)
    .addColumn("unmet_dependencies", "integer", required)
    .addColumn("priority", "integer", zero)
    .addColumn("height", "integer", zero)
    .addColumn("tries", "integer", zero)
    .addColumn("retry_at", "bigint")
    .addColumn("message", "text")
    .addColumn("created_at", "bigint", required)
    .addColumn("updated_at", "bigint", required)
    .addColumn("ready_at", "bigint")
    .addColumn("assigned_at", "bigint")
    .addColumn("started_at", "bigint")
    .addColumn("stopped_at", "bigint")
    .addColumn("stored_at", "bigint")
    .execute();
  await index(db, "builds", ["organization_id", "state"]);
  await db.schema
    .createIndex("builds_retry")
    .on("builds")
    .column("retry_at")
    .where(sql.ref("retry_at"), "is not", null)
    .execute();
  await db.schema
    .createTable("evaluation_builds")
    .addColumn("id", "text", id)
    .addColumn("evaluation_id", "text", ownedBy("evaluations.id"))
    .addColumn("build_id", "integer", ownedBy("builds.id"))
    .addUniqueConstraint("evaluation_builds_link", ["evaluation_id", "build_id"])
    .execute();
  await index(db, "evaluation_builds", ["build_id", "evaluation_id"]);
}

async function createAttemptTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("attempts")
    .addColumn("number", "integer", sequence)
    .addColumn("build_id", "integer", ownedBy("builds.id"))
    .addColumn("status", "text", required)
    .addColumn("message", "text")
    .addColumn("worker_id", "text")
    .addColumn("fencing", "integer")
    .addColumn("created_at", "bigint", required)
    .addColumn("assigned_at", "bigint")
    .addColumn("started_at", "bigint")
    .addColumn("stopped_at", "bigint")
    .addColumn("stored_at", "bigint")
    .addColumn("usage_json", "text")
    .addColumn("log_bytes", "bigint", required)
    .addColumn("restart_of", "integer", (column) =>
      column.references("attempts.number").onDelete("set null"),
    )
    .addColumn("restarted_as", "integer", (column) =>
      column.references("attempts.number").onDelete("set null"),
    )
    .execute();
  await index(db, "attempts", ["build_id", "number"]);
  await index(db, "attempts", ["worker_id"]);
  await index(db, "attempts", ["restart_of"]);
  await index(db, "attempts", ["restarted_as"]);
  await db.schema
    .createIndex("attempts_pending")
    .on("attempts")
    .column("number")
    .where(sql.ref("status"), "=", sql.lit("pending"))
    .execute();
}

async function createAssignmentTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("assignments")
    .addColumn("fencing", "integer", sequence)
    .addColumn("id", "text", (column) => column.notNull().unique())
    .addColumn("kind", "text", required)
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("evaluation_id", "text", maybeOwnedBy("evaluations.id"))
    .addColumn("attempt", "integer", maybeOwnedBy("attempts.number"))
    .addColumn("worker_id", "text", required)
    .addColumn("epoch", "bigint", required)
    .addColumn("state", "text", required)
    .addColumn("lease_expires_at", "bigint", required)
    .addColumn("created_at", "bigint", required)
    .execute();
  await index(db, "assignments", ["worker_id"]);
  await index(db, "assignments", ["lease_expires_at"]);
  await index(db, "assignments", ["organization_id"]);
  await index(db, "assignments", ["evaluation_id"]);
  await index(db, "assignments", ["attempt"]);
  await db.schema
    .createTable("assignment_answers")
    .addColumn("fencing", "integer", id)
    .addColumn("assignment_id", "text", required)
    .addColumn("worker_id", "text", required)
    .addColumn("accepted", "integer", flag)
    .addColumn("reason", "text")
    .addColumn("answered_at", "bigint", required)
    .execute();
  await index(db, "assignment_answers", ["answered_at"]);
  await db.schema
    .createTable("evaluation_batches")
    .addColumn("fencing", "integer", ownedBy("assignments.fencing"))
    .addColumn("sequence", "integer", required)
    .addPrimaryKeyConstraint("evaluation_batches_key", ["fencing", "sequence"])
    .execute();
}

async function createSigningTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("unsigned_paths")
    .addColumn("organization_id", "text", ownedBy("organizations.id"))
    .addColumn("path", "text", required)
    .addColumn("worker_id", "text", required)
    // However a lease ends, what it held is free again.
    .addColumn("fencing", "integer", (column) =>
      column.references("assignments.fencing").onDelete("set null"),
    )
    .addColumn("tries", "integer", zero)
    .addColumn("due_at", "bigint", required)
    .addPrimaryKeyConstraint("unsigned_paths_key", ["organization_id", "path"])
    .execute();
  await index(db, "unsigned_paths", ["worker_id", "organization_id", "due_at"]);
  await index(db, "unsigned_paths", ["fencing"]);
}

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex(`${table}_by_${columns.join("_")}`)
    .on(table)
    .columns(columns)
    .execute();
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await createUserTables(db);
  await createOrganizationTables(db);
  await createWorkerTables(db);
  await createCacheTables(db);
  await createApiKeyTable(db);
  await createPathTables(db);
  await createEvaluationTables(db);
  await createDerivationTables(db);
  await createBuildTables(db);
  await createAttemptTable(db);
  await createAssignmentTables(db);
  await createSigningTable(db);
}
