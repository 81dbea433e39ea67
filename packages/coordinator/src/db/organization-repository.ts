import { sql, type Insertable, type Selectable, type Updateable } from "kysely";
import type { Queries } from "./client.ts";
import { IS_ACTIVE } from "./evaluation-repository.ts";
import { insertMember } from "./member-repository.ts";
import { offsetOf, type Page, type PageRequest } from "./page.ts";
import type { OrganizationsTable } from "./organization-tables.ts";

export type Organization = Selectable<OrganizationsTable>;

/** Columns that may be shown: all but the sealed private key. */
const SHOWN = [
  "id",
  "name",
  "display_name",
  "description",
  "public",
  "hide_build_requests",
  "reuse_build_failures",
  "reuse_build_timeouts",
  "ssh_public_key",
  "managed",
  "created_by",
  "created_at",
] as const;

export type ShownOrganization = Pick<Organization, (typeof SHOWN)[number]>;

/** An organization as one user sees it; `role` is null for who is no member. */
export interface OrganizationMembership extends ShownOrganization {
  role: string | null;
  /** Of the role when it is one of the organization's own. */
  role_permissions: number | null;
}

export interface ListedOrganization extends OrganizationMembership {
  running_evaluations: number;
}

/** Stores a new organization with its first member. False when the name is taken. */
export async function insertOrganization(
  db: Queries,
  organization: Insertable<OrganizationsTable>,
  firstMember: { userId: string; role: string },
): Promise<boolean> {
  const stored = await db
    .insertInto("organizations")
    .values(organization)
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (stored === undefined) return false;
  await insertMember(db, { kind: "organization", id: organization.id }, firstMember);
  return true;
}

function membershipQuery(db: Queries, userId: string | null) {
  return db
    .selectFrom("organizations")
    .leftJoin("organization_members as member", (join) =>
      join
        .onRef("member.organization_id", "=", "organizations.id")
        .on("member.user_id", "=", userId ?? ""),
    )
    .leftJoin("roles", (join) =>
      join
        .onRef("roles.organization_id", "=", "organizations.id")
        .onRef("roles.name", "=", "member.role"),
    )
    .select(SHOWN.map((column) => `organizations.${column}` as const))
    .select(["member.role", "roles.permissions as role_permissions"]);
}

/** With the user's role in it, null for who is no member and for an anonymous caller. Whether they may see it is not decided here. */
export function findOrganizationByName(
  db: Queries,
  name: string,
  userId: string | null,
): Promise<OrganizationMembership | undefined> {
  return membershipQuery(db, userId).where("organizations.name", "=", name).executeTakeFirst();
}

/** By its UUID, else as findOrganizationByName. */
export function findOrganization(
  db: Queries,
  id: string,
  userId: string | null,
): Promise<OrganizationMembership | undefined> {
  return membershipQuery(db, userId).where("organizations.id", "=", id).executeTakeFirst();
}

/** Every organization that the user is a member of. */
export function listMemberships(db: Queries, userId: string): Promise<OrganizationMembership[]> {
  return membershipQuery(db, userId).where("member.role", "is not", null).execute();
}

/** Every organization that is public or that the user is a member of. */
export function listReadable(
  db: Queries,
  userId: string | null,
): Promise<OrganizationMembership[]> {
  return membershipQuery(db, userId)
    .where((where) =>
      where.or([where("organizations.public", "=", 1), where("member.role", "is not", null)]),
    )
    .execute();
}

/** Organizations that the user is a member of, oldest first; only one when `onlyId` is set. */
export async function listOrganizations(
  db: Queries,
  filter: { userId: string; onlyId: string | null },
  page: PageRequest,
): Promise<Page<ListedOrganization>> {
  const query = membershipQuery(db, filter.userId)
    .where("member.role", "is not", null)
    .$if(filter.onlyId !== null, (only) =>
      only.where("organizations.id", "=", filter.onlyId ?? ""),
    );
  const items = await query
    .orderBy("organizations.created_at")
    .orderBy("organizations.id")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await query
    .clearSelect()
    .select((count) => count.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  const running = await countRunningEvaluations(db);
  return {
    items: items.map((item) => ({ ...item, running_evaluations: running.get(item.id) ?? 0 })),
    total: Number(total),
  };
}

/** By organization: few run at a time, and they have an index. */
async function countRunningEvaluations(db: Queries): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom("evaluations")
    .select((select) => ["organization_id", select.fn.countAll<number>().as("running")])
    .where(IS_ACTIVE)
    // With the plus SQLite does not walk another index for the sake of its order.
    .groupBy(sql`+organization_id`)
    .execute();
  return new Map(rows.map((row) => [row.organization_id, Number(row.running)]));
}

/** Public organizations, oldest first; only one when `onlyId` is set. */
export async function listPublicOrganizations(
  db: Queries,
  filter: { userId: string | null; onlyId: string | null },
  page: PageRequest,
): Promise<Page<OrganizationMembership>> {
  const query = membershipQuery(db, filter.userId)
    .where("organizations.public", "=", sql.lit(1 as const))
    .$if(filter.onlyId !== null, (only) =>
      only.where("organizations.id", "=", filter.onlyId ?? ""),
    );
  const items = await query
    .orderBy("organizations.created_at")
    .orderBy("organizations.id")
    .limit(page.perPage)
    .offset(offsetOf(page))
    .execute();
  const { total } = await query
    .clearSelect()
    .select((count) => count.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

/** Names are taken across the whole server, also by organizations that the asker may not see. */
export async function isOrganizationName(db: Queries, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("organizations")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  return row !== undefined;
}

/** False when the new name is taken. */
export async function updateOrganization(
  db: Queries,
  id: string,
  change: Updateable<OrganizationsTable>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom("organizations")
      .select("id")
      .where("name", "=", change.name)
      .where("id", "!=", id)
      .executeTakeFirst();
    if (other !== undefined) return false;
  }
  if (Object.keys(change).length === 0) return true;
  await db.updateTable("organizations").set(change).where("id", "=", id).execute();
  return true;
}

/** Takes everything with it that belongs to the organization. */
export async function deleteOrganization(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("organizations").where("id", "=", id).execute();
}

/** Apart from the other columns, so that the sealed key travels nowhere else. */
export function findSealedSshKey(
  db: Queries,
  id: string,
): Promise<Pick<Organization, "ssh_private_key"> | undefined> {
  return db
    .selectFrom("organizations")
    .select("ssh_private_key")
    .where("id", "=", id)
    .executeTakeFirst();
}
