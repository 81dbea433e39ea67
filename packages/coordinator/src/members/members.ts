import { audit, type Actor, type AuditEvent } from "../accounts/audit.ts";
import type { Database } from "../db/client.ts";
import {
  deleteMember,
  insertMember,
  listMembers,
  setMemberRole,
  type Member,
} from "../db/member-repository.ts";
import { findUserByName } from "../db/user-repository.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import { checkGrant, roleByName, type Granter, type NamedRealm } from "./roles.ts";

export interface MemberRequest {
  username: string;
  role: string;
}

/** Throws NotFoundError for an unknown user or role, ForbiddenError for a role with more rights than the caller's, ConflictError for a member. */
export async function addMember(
  database: Database,
  realm: NamedRealm,
  granter: Granter,
  request: MemberRequest,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const role = await roleByName(db, realm, request.role);
    const user = await findUserByName(db, request.username);
    if (user === undefined) throw new NotFoundError(`user "${request.username}" does not exist`);
    checkGrant(realm, role.mask, granter.mask);
    const isNew = await insertMember(db, realm, { userId: user.id, role: role.name });
    if (!isNew) {
      throw new ConflictError(`user "${request.username}" is a member already`, {
        code: "already_exists",
      });
    }
    const details = { member: user.username, role: role.name };
    await audit(db, { ...entryOf(realm, "added"), actor: granter.actor, details }, now);
  });
}

/** Throws NotFoundError for an unknown role, BadRequestError for who is no member, ForbiddenError for a role with more rights than the caller's, ConflictError for the last Admin. */
export async function changeMemberRole(
  database: Database,
  realm: NamedRealm,
  granter: Granter,
  request: MemberRequest,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const role = await roleByName(db, realm, request.role);
    const members = await listMembers(db, realm);
    const member = memberNamed(members, request.username);
    if (member.role === role.name) return;
    checkGrant(realm, role.mask, granter.mask);
    keepAnAdmin(members, member);
    await setMemberRole(db, realm, { userId: member.user_id, role: role.name });
    const details = { member: member.username, role: role.name, previous_role: member.role };
    await audit(db, { ...entryOf(realm, "changed"), actor: granter.actor, details }, now);
  });
}

/** Throws BadRequestError for who is no member, ConflictError for the last Admin. */
export async function removeMember(
  database: Database,
  realm: NamedRealm,
  actor: Actor,
  username: string,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const members = await listMembers(db, realm);
    const member = memberNamed(members, username);
    keepAnAdmin(members, member);
    await deleteMember(db, realm, member.user_id);
    const details = { member: member.username, role: member.role };
    await audit(db, { ...entryOf(realm, "removed"), actor, details }, now);
  });
}

const EVENTS = {
  organization: {
    added: "organization.member.add",
    changed: "organization.member.role_change",
    removed: "organization.member.remove",
  },
  cache: {
    added: "cache.member.create",
    changed: "cache.member.update",
    removed: "cache.member.delete",
  },
} as const satisfies Record<NamedRealm["kind"], Record<string, AuditEvent>>;

function entryOf({ kind, name }: NamedRealm, what: keyof (typeof EVENTS)["cache"]) {
  return { event: EVENTS[kind][what], subject: name };
}

function memberNamed(members: readonly Member[], username: string): Member {
  const member = members.find((each) => each.username === username);
  if (member !== undefined) return member;
  throw new BadRequestError(`user "${username}" is not a member`);
}

function keepAnAdmin(members: readonly Member[], leaving: Member): void {
  const others = members.filter((each) => each.user_id !== leaving.user_id);
  if (leaving.role !== "Admin" || others.some((each) => each.role === "Admin")) return;
  throw new ConflictError(
    `user "${leaving.username}" is the last Admin; give somebody else that role first`,
  );
}
