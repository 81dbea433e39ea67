import type { Queries } from "./client.ts";

/** What has members with roles: an organization or a cache. */
export interface Realm {
  readonly kind: "organization" | "cache";
  readonly id: string;
}

export interface Member {
  user_id: string;
  username: string;
  role: string;
}

/** Organizations and caches that have this user as their only Admin, by name. */
export async function findSoleAdminships(
  db: Queries,
  userId: string,
): Promise<{ kind: Realm["kind"]; name: string }[]> {
  const organizations = await db
    .selectFrom("organization_members as own")
    .innerJoin("organizations", "organizations.id", "own.organization_id")
    .leftJoin("organization_members as other", (join) =>
      join
        .onRef("other.organization_id", "=", "own.organization_id")
        .on("other.user_id", "!=", userId)
        .on("other.role", "=", "Admin"),
    )
    .select("organizations.name")
    .where("own.user_id", "=", userId)
    .where("own.role", "=", "Admin")
    .where("other.user_id", "is", null)
    .orderBy("organizations.name")
    .execute();
  const caches = await db
    .selectFrom("cache_members as own")
    .innerJoin("caches", "caches.id", "own.cache_id")
    .leftJoin("cache_members as other", (join) =>
      join
        .onRef("other.cache_id", "=", "own.cache_id")
        .on("other.user_id", "!=", userId)
        .on("other.role", "=", "Admin"),
    )
    .select("caches.name")
    .where("own.user_id", "=", userId)
    .where("own.role", "=", "Admin")
    .where("other.user_id", "is", null)
    .orderBy("caches.name")
    .execute();
  return [
    ...organizations.map(({ name }) => ({ kind: "organization" as const, name })),
    ...caches.map(({ name }) => ({ kind: "cache" as const, name })),
  ];
}

/** In the order of their user names. */
export function listMembers(db: Queries, realm: Realm): Promise<Member[]> {
  if (realm.kind === "cache") {
    return db
      .selectFrom("cache_members as member")
      .innerJoin("users", "users.id", "member.user_id")
      .select(["users.id as user_id", "users.username", "member.role"])
      .where("member.cache_id", "=", realm.id)
      .orderBy("users.username")
      .execute();
  }
  return db
    .selectFrom("organization_members as member")
    .innerJoin("users", "users.id", "member.user_id")
    .select(["users.id as user_id", "users.username", "member.role"])
    .where("member.organization_id", "=", realm.id)
    .orderBy("users.username")
    .execute();
}

/** False when the user is a member already. */
export async function insertMember(
  db: Queries,
  realm: Realm,
  member: { userId: string; role: string },
): Promise<boolean> {
  const row = { user_id: member.userId, role: member.role };
  const insertion =
    realm.kind === "cache"
      ? db
          .insertInto("cache_members")
          .values({ ...row, cache_id: realm.id })
          .onConflict((conflict) => conflict.doNothing())
      : db
          .insertInto("organization_members")
          .values({ ...row, organization_id: realm.id })
          .onConflict((conflict) => conflict.doNothing());
  const { numInsertedOrUpdatedRows } = await insertion.executeTakeFirstOrThrow();
  return Number(numInsertedOrUpdatedRows) > 0;
}

/** Whether the role exists, and whether an Admin is left, is for the caller to see to. Harmless for who is no member. */
export async function setMemberRole(
  db: Queries,
  realm: Realm,
  member: { userId: string; role: string },
): Promise<void> {
  const update =
    realm.kind === "cache"
      ? db
          .updateTable("cache_members")
          .set({ role: member.role })
          .where("cache_id", "=", realm.id)
          .where("user_id", "=", member.userId)
      : db
          .updateTable("organization_members")
          .set({ role: member.role })
          .where("organization_id", "=", realm.id)
          .where("user_id", "=", member.userId);
  await update.execute();
}

/** Gives everybody who has the one role the other. */
export async function renameMembersRole(
  db: Queries,
  realm: Realm,
  names: { from: string; to: string },
): Promise<void> {
  const update =
    realm.kind === "cache"
      ? db
          .updateTable("cache_members")
          .set({ role: names.to })
          .where("cache_id", "=", realm.id)
          .where("role", "=", names.from)
      : db
          .updateTable("organization_members")
          .set({ role: names.to })
          .where("organization_id", "=", realm.id)
          .where("role", "=", names.from);
  await update.execute();
}

/** Whether an Admin is left is for the caller to see to. Harmless for who is no member. */
export async function deleteMember(db: Queries, realm: Realm, userId: string): Promise<void> {
  const deletion =
    realm.kind === "cache"
      ? db
          .deleteFrom("cache_members")
          .where("cache_id", "=", realm.id)
          .where("user_id", "=", userId)
      : db
          .deleteFrom("organization_members")
          .where("organization_id", "=", realm.id)
          .where("user_id", "=", userId);
  await deletion.execute();
}
