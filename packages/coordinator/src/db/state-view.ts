import type { Queries } from "./client.ts";

/** Everything that a state file can declare, row by row, in the order of names. Sealed secrets and hashes are among it. */
export async function readDeclarable(db: Queries) {
  return { ...(await readOrganizations(db)), ...(await readCaches(db)), ...(await readKeys(db)) };
}

async function readOrganizations(db: Queries) {
  return {
    users: await db.selectFrom("users").selectAll().orderBy("username").execute(),
    organizations: await db.selectFrom("organizations").selectAll().orderBy("name").execute(),
    organizationMembers: await db
      .selectFrom("organization_members")
      .innerJoin("users", "users.id", "organization_members.user_id")
      .select(["organization_id as realm_id", "username as user", "role"])
      .orderBy("username")
      .execute(),
    roles: await db.selectFrom("roles").selectAll().orderBy("name").orderBy("id").execute(),
    integrations: await db
      .selectFrom("integrations")
      .selectAll()
      .orderBy("kind")
      .orderBy("name")
      .execute(),
    projects: await db.selectFrom("projects").selectAll().orderBy("name").execute(),
    flakeInputs: await db
      .selectFrom("project_flake_inputs")
      .selectAll()
      .orderBy("input_name")
      .execute(),
    actions: await db
      .selectFrom("actions")
      .selectAll()
      .orderBy("created_at")
      .orderBy("name")
      .execute(),
    triggers: await db
      .selectFrom("triggers")
      .selectAll()
      .orderBy("created_at")
      .orderBy("id")
      .execute(),
  };
}

async function readCaches(db: Queries) {
  return {
    caches: await db.selectFrom("caches").selectAll().orderBy("name").execute(),
    cacheMembers: await db
      .selectFrom("cache_members")
      .innerJoin("users", "users.id", "cache_members.user_id")
      .select(["cache_id as realm_id", "username as user", "role"])
      .orderBy("username")
      .execute(),
    cacheKeys: await db
      .selectFrom("cache_keys")
      .selectAll()
      .where("state", "!=", "removing")
      .orderBy("id")
      .execute(),
    upstreams: await db
      .selectFrom("cache_upstreams")
      .selectAll()
      .orderBy("created_at")
      .orderBy("id")
      .execute(),
    subscriptions: await db
      .selectFrom("cache_subscriptions")
      .innerJoin("organizations", "organizations.id", "cache_subscriptions.organization_id")
      .select(["cache_id", "organizations.name as organization", "mode"])
      .orderBy("organizations.name")
      .execute(),
  };
}

async function readKeys(db: Queries) {
  return {
    registrations: await db
      .selectFrom("worker_registrations")
      .leftJoin("workers", "workers.id", "worker_registrations.worker_id")
      .selectAll("worker_registrations")
      .select("workers.public_key")
      .orderBy("worker_id")
      .execute(),
    apiKeys: await db
      .selectFrom("api_keys")
      .selectAll()
      .where("revoked_at", "is", null)
      .orderBy("name")
      .orderBy("id")
      .execute(),
  };
}

export type Declarable = Awaited<ReturnType<typeof readDeclarable>>;
