import { audit, type Actor } from "../accounts/audit.ts";
import type { Queries } from "../db/client.ts";
import { insertMember, listMembers, setMemberRole } from "../db/member-repository.ts";
import { findOrganizationByName } from "../db/organization-repository.ts";
import type { User } from "../db/user-repository.ts";
import { NotFoundError } from "../errors.ts";
import { roleByName, type NamedRealm } from "./roles.ts";

/** A role in an organization for everybody whom the provider of single sign-on puts into the group. */
export interface GroupGrant {
  readonly group: string;
  readonly organization: string;
  readonly role: string;
}

/**
 * Makes a user member where a group of theirs grants it, and widens the role that they have. Takes nothing away. Resolves to the grants whose
 * organization or role does not exist. To be called in a transaction.
 */
export async function grantByGroups(
  db: Queries,
  { user, groups, actor }: { user: User; groups: readonly string[]; actor: Actor },
  grants: readonly GroupGrant[],
  now: number,
): Promise<GroupGrant[]> {
  const missing: GroupGrant[] = [];
  for (const grant of grants) {
    if (!groups.includes(grant.group)) continue;
    const isKnown = await apply(db, { user, actor, grant }, now);
    if (!isKnown) missing.push(grant);
  }
  return missing;
}

async function apply(
  db: Queries,
  { user, actor, grant }: { user: User; actor: Actor; grant: GroupGrant },
  now: number,
): Promise<boolean> {
  const organization = await findOrganizationByName(db, grant.organization, user.id);
  if (organization === undefined) return false;
  const realm: NamedRealm = { kind: "organization", id: organization.id, name: organization.name };
  const mask = await maskOf(db, realm, grant.role);
  if (mask === null) return false;
  const members = await listMembers(db, realm);
  const current = members.find((member) => member.user_id === user.id)?.role ?? null;
  const entry = { actor: { ...actor, userId: user.id }, subject: organization.name };
  const details = { member: user.username, role: grant.role, group: grant.group };
  if (current === null) {
    await insertMember(db, realm, { userId: user.id, role: grant.role });
    await audit(db, { event: "organization.member.add", ...entry, details }, now);
    return true;
  }
  const own = (await maskOf(db, realm, current)) ?? 0;
  const isWider = own !== mask && (own & mask) === own;
  if (!isWider) return true;
  await setMemberRole(db, realm, { userId: user.id, role: grant.role });
  const changed = { ...details, previous_role: current };
  await audit(db, { event: "organization.member.role_change", ...entry, details: changed }, now);
  return true;
}

/** null when there is no such role. */
async function maskOf(db: Queries, realm: NamedRealm, name: string): Promise<number | null> {
  try {
    return (await roleByName(db, realm, name)).mask;
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
