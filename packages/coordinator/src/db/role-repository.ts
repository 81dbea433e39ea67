import type { Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { Realm } from "./member-repository.ts";
import type { RolesTable } from "./organization-tables.ts";

/** A role that an organization or a cache has made for itself. */
export type StoredRole = Selectable<RolesTable>;

function ownerColumn({ kind }: Realm): "organization_id" | "cache_id" {
  return kind === "cache" ? "cache_id" : "organization_id";
}

/** In the order of their names. */
export function listRoles(db: Queries, realm: Realm): Promise<StoredRole[]> {
  return db
    .selectFrom("roles")
    .selectAll()
    .where(ownerColumn(realm), "=", realm.id)
    .orderBy("name")
    .execute();
}

/** Built-in roles are in no table: auth/permissions.ts has them. */
export function findRole(db: Queries, realm: Realm, id: string): Promise<StoredRole | undefined> {
  return db
    .selectFrom("roles")
    .selectAll()
    .where("id", "=", id)
    .where(ownerColumn(realm), "=", realm.id)
    .executeTakeFirst();
}

/** Names count within an organization or a cache. Built-in roles are in no table. */
export function findRoleByName(
  db: Queries,
  realm: Realm,
  name: string,
): Promise<StoredRole | undefined> {
  return db
    .selectFrom("roles")
    .selectAll()
    .where(ownerColumn(realm), "=", realm.id)
    .where("name", "=", name)
    .executeTakeFirst();
}

/** Throws when the realm has a role of that name: the caller has looked, in the same transaction. */
export async function insertRole(
  db: Queries,
  realm: Realm,
  role: Omit<StoredRole, "organization_id" | "cache_id">,
): Promise<void> {
  const owner =
    realm.kind === "cache"
      ? { organization_id: null, cache_id: realm.id }
      : { organization_id: realm.id, cache_id: null };
  await db
    .insertInto("roles")
    .values({ ...role, ...owner })
    .execute();
}

/** Members refer to a role by its name: who renames it renames theirs, too, by renameMembersRole. */
export async function updateRole(
  db: Queries,
  id: string,
  change: { name: string; permissions: number; managed?: 0 | 1 },
): Promise<void> {
  await db.updateTable("roles").set(change).where("id", "=", id).execute();
}

/** Members who still have it may do nothing: the caller has seen to it that there are none. */
export async function deleteRole(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("roles").where("id", "=", id).execute();
}
