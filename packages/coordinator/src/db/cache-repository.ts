import { sql, type Insertable, type Selectable, type Updateable } from "kysely";
import type { Queries } from "./client.ts";
import { insertMember } from "./member-repository.ts";
import { offsetOf, type Page, type PageRequest } from "./page.ts";
import type { CacheUpstreamsTable, CachesTable, CacheSubscriptionsTable } from "./cache-tables.ts";

export type Cache = Selectable<CachesTable>;
export type SubscriptionMode = CacheSubscriptionsTable["mode"];

const SHOWN = [
  "id",
  "name",
  "display_name",
  "description",
  "active",
  "priority",
  "local_priority",
  "public",
  "max_storage_gb",
  "managed",
  "created_by",
  "created_at",
] as const;

/** With the key that clients are told of first: the oldest that signs. */
export type ShownCache = Pick<Cache, (typeof SHOWN)[number]> & {
  key_name: string;
  public_key: string;
};

/** Who looks: a user, and the only organization whose subscriptions count for them (null: all of theirs). */
export interface CacheViewer {
  userId: string | null;
  onlyOrganizationId: string | null;
}

/** A cache as one user sees it: their own role, and whether an organization of theirs subscribes to it. */
export interface CacheMembership extends ShownCache {
  role: string | null;
  /** Of the role when it is one of the cache's own. */
  role_permissions: number | null;
  is_subscriber: boolean;
}

const nextNumber = sql<number>`(select coalesce(max(number), 0) + 1 from caches)`;

/** Stores a new cache with its first member and upstreams. False when the name is taken. */
export async function insertCache(
  db: Queries,
  cache: Insertable<CachesTable>,
  firstMember: { userId: string; role: string },
  upstreams: Insertable<CacheUpstreamsTable>[],
): Promise<boolean> {
  const stored = await db
    .insertInto("caches")
    .values({ ...cache, number: nextNumber })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (stored === undefined) return false;
  await insertMember(db, { kind: "cache", id: cache.id }, firstMember);
  if (upstreams.length > 0) await db.insertInto("cache_upstreams").values(upstreams).execute();
  return true;
}

/** Of the cache `caches`: the oldest key that signs. */
const primaryKeyId = sql<string>`(
  select min(k.id) from cache_keys k where k.cache_id = caches.id and k.state = 'active'
)`;

function membershipQuery(db: Queries, viewer: CacheViewer) {
  const subscriptions = db
    .selectFrom("cache_subscriptions")
    .innerJoin("organization_members", (join) =>
      join
        .onRef("organization_members.organization_id", "=", "cache_subscriptions.organization_id")
        .on("organization_members.user_id", "=", viewer.userId ?? ""),
    )
    .$if(viewer.onlyOrganizationId !== null, (only) =>
      only.where("cache_subscriptions.organization_id", "=", viewer.onlyOrganizationId ?? ""),
    )
    .select("cache_subscriptions.cache_id")
    .distinct();
  return db
    .selectFrom("caches")
    .leftJoin("cache_members as member", (join) =>
      join
        .onRef("member.cache_id", "=", "caches.id")
        .on("member.user_id", "=", viewer.userId ?? ""),
    )
    .leftJoin("roles", (join) =>
      join.onRef("roles.cache_id", "=", "caches.id").onRef("roles.name", "=", "member.role"),
    )
    .leftJoin(subscriptions.as("subscribed"), "subscribed.cache_id", "caches.id")
    .innerJoin("cache_keys as key", (join) => join.on("key.id", "=", primaryKeyId))
    .select(SHOWN.map((column) => `caches.${column}` as const))
    .select([
      "key.key_name",
      "key.public_key",
      "member.role",
      "roles.permissions as role_permissions",
      "subscribed.cache_id as subscribed_id",
    ]);
}

function toMembership<T extends { subscribed_id: string | null }>(row: T) {
  const { subscribed_id: subscribedId, ...cache } = row;
  return { ...cache, is_subscriber: subscribedId !== null };
}

/** With the viewer's part in it and the public half of its oldest signing key. Whether they may see it is not decided here. */
export async function findCacheByName(
  db: Queries,
  name: string,
  viewer: CacheViewer,
): Promise<CacheMembership | undefined> {
  const row = await membershipQuery(db, viewer).where("caches.name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : toMembership(row);
}

/** Id of the cache of that name; null when there is none. */
export async function findCacheId(db: Queries, name: string): Promise<string | null> {
  const row = await db
    .selectFrom("caches")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Caches that the user is a member of or has by a subscription, oldest first. Public caches of others are not listed. */
export async function listCaches(
  db: Queries,
  viewer: CacheViewer,
  page: PageRequest,
): Promise<Page<CacheMembership>> {
  const query = membershipQuery(db, viewer).where((where) =>
    where.or([where("member.role", "is not", null), where("subscribed.cache_id", "is not", null)]),
  );
  const rows = await query
    .orderBy("caches.created_at")
    .orderBy("caches.id")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await query
    .clearSelect()
    .select((select) => select.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return { items: rows.map(toMembership), total: Number(total) };
}

/** Public caches, oldest first. */
export async function listPublicCaches(db: Queries, page: PageRequest): Promise<Page<ShownCache>> {
  const query = db.selectFrom("caches").where("caches.public", "=", sql.lit(1 as const));
  const items = await query
    .innerJoin("cache_keys as key", (join) => join.on("key.id", "=", primaryKeyId))
    .select(SHOWN.map((column) => `caches.${column}` as const))
    .select(["key.key_name", "key.public_key"])
    .orderBy("caches.created_at")
    .orderBy("caches.id")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await query
    .select((select) => select.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

/** Names of caches are taken across the whole server, also by caches that the asker may not see. */
export async function isCacheName(db: Queries, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("caches")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  return row !== undefined;
}

/** False when the new name is taken. */
export async function updateCache(
  db: Queries,
  id: string,
  change: Updateable<CachesTable>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom("caches")
      .select("id")
      .where("name", "=", change.name)
      .where("id", "!=", id)
      .executeTakeFirst();
    if (other !== undefined) return false;
  }
  await db
    .updateTable("caches")
    .set({ ...change, id })
    .where("id", "=", id)
    .execute();
  return true;
}

/** Takes its paths, members and subscriptions with it. The NARs stay until nothing shows them. */
export async function deleteCache(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("caches").where("id", "=", id).execute();
}

export interface Subscription {
  id: string;
  name: string;
  mode: SubscriptionMode;
}

/** In the order of subscription. */
export function listSubscriptions(db: Queries, organizationId: string): Promise<Subscription[]> {
  return db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select(["caches.id", "caches.name", "cache_subscriptions.mode"])
    .where("cache_subscriptions.organization_id", "=", organizationId)
    .orderBy("cache_subscriptions.created_at")
    .orderBy("caches.name")
    .execute();
}

/** False when the organization is subscribed already. */
export async function insertSubscription(
  db: Queries,
  subscription: Insertable<CacheSubscriptionsTable>,
): Promise<boolean> {
  const stored = await db
    .insertInto("cache_subscriptions")
    .values(subscription)
    .onConflict((conflict) => conflict.doNothing())
    .returning("cache_id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** False when the organization is not subscribed. */
export async function deleteSubscription(
  db: Queries,
  key: { organizationId: string; cacheId: string },
): Promise<boolean> {
  const gone = await db
    .deleteFrom("cache_subscriptions")
    .where("organization_id", "=", key.organizationId)
    .where("cache_id", "=", key.cacheId)
    .returning("cache_id")
    .executeTakeFirst();
  return gone !== undefined;
}

/** Name of an active cache that the organization subscribes to, one that it also writes to first; null when there is none. */
export async function findSubscribedCacheName(
  db: Queries,
  organizationId: string,
): Promise<string | null> {
  const rows = await db
    .selectFrom("cache_subscriptions")
    .innerJoin("caches", "caches.id", "cache_subscriptions.cache_id")
    .select(["caches.name", "cache_subscriptions.mode"])
    .where("cache_subscriptions.organization_id", "=", organizationId)
    .where("caches.active", "=", 1)
    .orderBy("caches.name")
    .execute();
  const written = rows.find(({ mode }) => mode === "ReadWrite");
  return (written ?? rows[0])?.name ?? null;
}

/** Organizations that subscribe to the cache. */
export async function listSubscribers(db: Queries, cacheId: string): Promise<string[]> {
  const rows = await db
    .selectFrom("cache_subscriptions")
    .select("organization_id")
    .where("cache_id", "=", cacheId)
    .execute();
  return rows.map((row) => row.organization_id);
}
