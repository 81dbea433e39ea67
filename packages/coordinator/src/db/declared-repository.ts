import { sql, type Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { ApiKey } from "./api-key-repository.ts";
import type { Cache } from "./cache-repository.ts";
import type { Integration } from "./integration-repository.ts";
import type { Organization } from "./organization-repository.ts";
import type { Project } from "./project-repository.ts";
import type { CacheSubscriptionsTable } from "./cache-tables.ts";
import type { WorkerRegistrationsTable } from "./organization-tables.ts";
import type { User } from "./user-repository.ts";

/** Rows that a state file declares, as they are found and changed for it. */

/** Tables whose managed rows are addressed by an id. */
export type ManagedTable =
  | "users"
  | "api_keys"
  | "organizations"
  | "roles"
  | "caches"
  | "projects"
  | "integrations";

export interface ManagedRow {
  readonly id: string;
  readonly name: string;
}

/** Those that a state file has declared, by name. */
export async function listManaged(db: Queries, table: ManagedTable): Promise<ManagedRow[]> {
  const name = table === "users" ? "username" : "name";
  const query = sql<ManagedRow>`
    select id, ${sql.ref(name)} as name from ${sql.table(table)} where managed = 1 order by 2, 1
  `;
  return (await query.execute(db)).rows;
}

/** The row stays, and belongs to no state file any more. */
export async function releaseManaged(db: Queries, table: ManagedTable, id: string): Promise<void> {
  await db.updateTable(table).set({ managed: 0 }).where("id", "=", id).execute();
}

/** By its name, or by its id when it has another name; with its sealed key. */
export async function findOrganizationRow(
  db: Queries,
  { name, id }: { readonly name: string; readonly id?: string | undefined },
): Promise<Organization | undefined> {
  const rows = db.selectFrom("organizations").selectAll();
  const named = await rows.where("name", "=", name).executeTakeFirst();
  return named ?? rows.where("id", "=", id ?? "").executeTakeFirst();
}

/** By its name, or by its id when it has another name. */
export async function findCacheRow(
  db: Queries,
  { name, id }: { readonly name: string; readonly id?: string | undefined },
): Promise<Cache | undefined> {
  const rows = db.selectFrom("caches").selectAll();
  const named = await rows.where("name", "=", name).executeTakeFirst();
  return named ?? rows.where("id", "=", id ?? "").executeTakeFirst();
}

/** A declared account with this address. */
export function findManagedUser(db: Queries, email: string): Promise<User | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("email", "=", email)
    .where("managed", "=", 1)
    .executeTakeFirst();
}

/** Whose secret has this hash, also when it is revoked. */
export function findKeyByHash(db: Queries, hash: string): Promise<ApiKey | undefined> {
  return db.selectFrom("api_keys").selectAll().where("secret_hash", "=", hash).executeTakeFirst();
}

/** Whether a state file declares it or not, and without what the API shows beside it. */
export function findProjectRow(
  db: Queries,
  organizationId: string,
  name: string,
): Promise<Project | undefined> {
  return db
    .selectFrom("projects")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("name", "=", name)
    .executeTakeFirst();
}

/** An organization may have two of a name: an inbound one and an outbound one. */
export function findIntegrationByName(
  db: Queries,
  of: Pick<Integration, "organization_id" | "kind" | "name">,
): Promise<Integration | undefined> {
  return db
    .selectFrom("integrations")
    .selectAll()
    .where("organization_id", "=", of.organization_id)
    .where("kind", "=", of.kind)
    .where("name", "=", of.name)
    .executeTakeFirst();
}

export type SubscriptionRow = Selectable<CacheSubscriptionsTable>;

/** Of all organizations, declared or not, the oldest first. */
export function listSubscriptionsOfCache(db: Queries, cacheId: string): Promise<SubscriptionRow[]> {
  return db
    .selectFrom("cache_subscriptions")
    .selectAll()
    .where("cache_id", "=", cacheId)
    .orderBy("created_at")
    .orderBy("organization_id")
    .execute();
}

/** Harmless when the organization does not subscribe to the cache. */
export async function updateSubscription(
  db: Queries,
  key: { readonly organizationId: string; readonly cacheId: string },
  change: Partial<Pick<SubscriptionRow, "mode" | "managed">>,
): Promise<void> {
  await db
    .updateTable("cache_subscriptions")
    .set(change)
    .where("organization_id", "=", key.organizationId)
    .where("cache_id", "=", key.cacheId)
    .execute();
}

export type RegistrationRow = Selectable<WorkerRegistrationsTable>;

/** Those that a state file has declared: a registration has no id, and is found by worker and organization. */
export async function listManagedRegistrations(db: Queries): Promise<RegistrationRow[]> {
  return db
    .selectFrom("worker_registrations")
    .selectAll()
    .where(sql<boolean>`managed = 1`)
    .orderBy("worker_id")
    .orderBy("organization_id")
    .execute();
}

/** Pins the key of a worker that has never connected. */
export async function insertPinnedWorker(
  db: Queries,
  worker: { readonly id: string; readonly publicKey: string },
): Promise<void> {
  await db
    .insertInto("workers")
    .values({
      id: worker.id,
      public_key: worker.publicKey,
      pending_public_key: null,
      epoch: 0,
      last_seen_at: 0,
    })
    .execute();
}
