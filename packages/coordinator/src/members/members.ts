import type { Database } from "../db/client.ts";
import {
  deleteMember,
  insertMember,
  listMembers,
  setMemberRole,
  type Member,
  type Realm,
} from "../db/member-repository.ts";
import { findUserByName } from "../db/user-repository.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import { checkGrant, roleByName } from "./roles.ts";

export interface MemberRequest {
  username: string;
  role: string;
}

/** `granterMask`: what the caller may do there. Throws NotFoundError for an unknown user or role, ForbiddenError for a role with more rights than the caller's, ConflictError for a member. */
export async function addMember(
  database: Database,
  realm: Realm,
  granterMask: number,
  request: MemberRequest,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const role = await roleByName(db, realm, request.role);
    const user = await findUserByName(db, request.username);
    if (user === undefined) throw new NotFoundError(`user "${request.username}" does not exist`);
    checkGrant(realm, role.mask, granterMask);
    const isNew = await insertMember(db, realm, { userId: user.id, role: role.name });
    if (isNew) return;
    throw new ConflictError(`user "${request.username}" is a member already`, {
      code: "already_exists",
    });
  });
}

/** Throws NotFoundError for an unknown role, BadRequestError for who is no member, ForbiddenError for a role with more rights than the caller's, ConflictError for the last Admin. */
export async function changeMemberRole(
  database: Database,
  realm: Realm,
  granterMask: number,
  request: MemberRequest,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const role = await roleByName(db, realm, request.role);
    const members = await listMembers(db, realm);
    const member = memberNamed(members, request.username);
    if (member.role === role.name) return;
    checkGrant(realm, role.mask, granterMask);
    keepAnAdmin(members, member);
    await setMemberRole(db, realm, { userId: member.user_id, role: role.name });
  });
}

/** Throws BadRequestError for who is no member, ConflictError for the last Admin. */
export async function removeMember(
  database: Database,
  realm: Realm,
  username: string,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const members = await listMembers(db, realm);
    const member = memberNamed(members, username);
    keepAnAdmin(members, member);
    await deleteMember(db, realm, member.user_id);
  });
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
