import { sql } from "kysely";
import type { Queries } from "./client.ts";

/** Lists for whoever operates the server: all there are, in the order of their names. */

/** All accounts, also switched-off ones. No password's hash is read, only whether there is one. */
export function listAllUsers(db: Queries) {
  return db
    .selectFrom("users")
    .select([
      "username",
      "name",
      "email",
      "superuser",
      "active",
      "email_verified",
      "managed",
      "last_login_at",
    ])
    .select(sql<0 | 1>`password_hash is not null`.as("has_password"))
    .orderBy("username")
    .execute();
}

/** All API keys, also revoked and expired ones, with what they are pinned to. Secrets are not read. */
export function listAllKeys(db: Queries) {
  return db
    .selectFrom("api_keys")
    .innerJoin("users", "users.id", "api_keys.user_id")
    .leftJoin("organizations", "organizations.id", "api_keys.organization_id")
    .leftJoin("caches", "caches.id", "api_keys.cache_id")
    .select(["username", "api_keys.name", "organizations.name as organization"])
    .select(["caches.name as cache", "api_keys.managed", "api_keys.last_used_at"])
    .select(["api_keys.expires_at", "api_keys.revoked_at", "api_keys.created_at"])
    .orderBy("username")
    .orderBy("api_keys.name")
    .execute();
}

/** One row for each registration: a worker that serves three organizations comes three times. What the worker itself said is null before it has connected. */
export function listAllWorkers(db: Queries) {
  return db
    .selectFrom("worker_registrations as registered")
    .innerJoin("organizations", "organizations.id", "registered.organization_id")
    .leftJoin("workers", "workers.id", "registered.worker_id")
    .select(["registered.worker_id", "registered.display_name", "organizations.name"])
    .select(["registered.active", "registered.managed", "workers.last_seen_at"])
    .select(["workers.public_key", "workers.pending_public_key"])
    .orderBy("registered.worker_id")
    .orderBy("organizations.name")
    .execute();
}

/** All projects, also inactive ones and those that build requests go to. */
export function listAllProjects(db: Queries) {
  return db
    .selectFrom("projects")
    .innerJoin("organizations", "organizations.id", "projects.organization_id")
    .select(["organizations.name as organization", "projects.name", "projects.repository"])
    .select(["projects.wildcard", "projects.active", "projects.managed"])
    .orderBy("organizations.name")
    .orderBy("projects.name")
    .execute();
}

/** All caches with their counts, which are null for one that has never shown a path. */
export function listAllCaches(db: Queries) {
  return db
    .selectFrom("caches")
    .leftJoin("cache_totals as total", "total.cache_id", "caches.id")
    .select(["caches.name", "caches.public", "caches.active", "caches.managed"])
    .select(["caches.max_storage_gb", "total.paths", "total.stored_bytes"])
    .orderBy("caches.name")
    .execute();
}
