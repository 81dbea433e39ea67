import type { Insertable, Selectable, Updateable } from "kysely";
import type { Queries } from "./client.ts";
import type { ApiKeysTable } from "./account-tables.ts";

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

function namedKeys(db: Queries, userId: string) {
  return db
    .selectFrom("api_keys")
    .leftJoin("organizations", "organizations.id", "api_keys.organization_id")
    .leftJoin("caches", "caches.id", "api_keys.cache_id")
    .selectAll("api_keys")
    .select(["organizations.name as organization_name", "caches.name as cache_name"])
    .where("api_keys.user_id", "=", userId);
}

/** Newest first. */
export function listApiKeys(db: Queries, userId: string): Promise<NamedApiKey[]> {
  return namedKeys(db, userId)
    .orderBy("api_keys.created_at", "desc")
    .orderBy("api_keys.id", "desc")
    .execute();
}

/** One of the user's keys. */
export function findApiKey(
  db: Queries,
  userId: string,
  by: { id: string } | { name: string },
): Promise<NamedApiKey | undefined> {
  const own = namedKeys(db, userId);
  const one =
    "id" in by ? own.where("api_keys.id", "=", by.id) : own.where("api_keys.name", "=", by.name);
  return one.executeTakeFirst();
}

export type ApiKeyChange = Omit<Updateable<ApiKeysTable>, "id" | "created_at" | "last_used_at">;

/** False when the user has another key of the new name. */
export async function updateApiKey(
  db: Queries,
  key: Pick<ApiKey, "id" | "user_id">,
  change: ApiKeyChange,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await findApiKey(db, key.user_id, { name: change.name });
    if (other !== undefined && other.id !== key.id) return false;
  }
  if (Object.keys(change).length === 0) return true;
  await db.updateTable("api_keys").set(change).where("id", "=", key.id).execute();
  return true;
}

/** Harmless on a key that is gone. */
export async function deleteApiKey(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("api_keys").where("id", "=", id).execute();
}
