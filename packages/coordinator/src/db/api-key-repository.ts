import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { ApiKeysTable } from "./tables.ts";

export type ApiKey = Selectable<ApiKeysTable>;

/** A key with the names of what it is pinned to. */
export interface NamedApiKey extends ApiKey {
  organization_name: string | null;
  cache_name: string | null;
}

/** Stores a key. False when the user has one of that name. */
export async function insertApiKey(db: Queries, key: Insertable<ApiKeysTable>): Promise<boolean> {
  const taken = await db
    .selectFrom("api_keys")
    .select("id")
    .where("user_id", "=", key.user_id)
    .where("name", "=", key.name)
    .executeTakeFirst();
  if (taken !== undefined) return false;
  await db.insertInto("api_keys").values(key).execute();
  return true;
}

/** The key with this hash when it is neither revoked nor expired. */
export function findLiveApiKey(
  db: Queries,
  secretHash: string,
  now: number,
): Promise<ApiKey | undefined> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("secret_hash", "=", secretHash)
    .where("revoked_at", "is", null)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", now)]))
    .executeTakeFirst();
}

/** Newest first. */
export function listApiKeys(db: Queries, userId: string): Promise<NamedApiKey[]> {
  return db
    .selectFrom("api_keys")
    .leftJoin("organizations", "organizations.id", "api_keys.organization_id")
    .leftJoin("caches", "caches.id", "api_keys.cache_id")
    .selectAll("api_keys")
    .select(["organizations.name as organization_name", "caches.name as cache_name"])
    .where("api_keys.user_id", "=", userId)
    .orderBy("api_keys.created_at", "desc")
    .orderBy("api_keys.id", "desc")
    .execute();
}

export function findApiKeyByName(
  db: Queries,
  userId: string,
  name: string,
): Promise<ApiKey | undefined> {
  return db
    .selectFrom("api_keys")
    .selectAll()
    .where("user_id", "=", userId)
    .where("name", "=", name)
    .executeTakeFirst();
}

export async function deleteApiKey(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("api_keys").where("id", "=", id).execute();
}
