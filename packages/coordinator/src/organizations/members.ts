import { organizationRoles } from "../auth/permissions.ts";
import type { Database, Queries } from "../db/client.ts";
import {
  deleteMember,
  insertMember,
  listMembers,
  setMemberRole,
  type Member,
} from "../db/organization-repository.ts";
import { findUserByName } from "../db/user-repository.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";

/** Throws NotFoundError for an unknown user or role, ConflictError for a member. */
export async function addMember(
  db: Queries,
  organizationId: string,
  request: { username: string; role: string },
): Promise<void> {
  checkRole(request.role);
  const user = await findUserByName(db, request.username);
  if (user === undefined) throw new NotFoundError(`user "${request.username}" does not exist`);
  const isNew = await insertMember(db, { organizationId, userId: user.id, role: request.role });
  if (!isNew) {
    throw new ConflictError(`user "${request.username}" is a member already`, {
      code: "already_exists",
    });
  }
}

/** Throws NotFoundError for an unknown role, BadRequestError for who is no member, ConflictError for the last Admin. */
export async function changeMemberRole(
  database: Database,
  organizationId: string,
  request: { username: string; role: string },
): Promise<void> {
  checkRole(request.role);
  await database.transaction(async ({ kysely: db }) => {
    const members = await listMembers(db, organizationId);
    const member = memberNamed(members, request.username);
    if (request.role !== "Admin") keepAnAdmin(members, member);
    await setMemberRole(db, { organizationId, userId: member.user_id, role: request.role });
  });
}

/** Throws BadRequestError for who is no member, ConflictError for the last Admin. */
export async function removeMember(
  database: Database,
  organizationId: string,
  username: string,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const members = await listMembers(db, organizationId);
    const member = memberNamed(members, username);
    keepAnAdmin(members, member);
    await deleteMember(db, { organizationId, userId: member.user_id });
  });
}

function checkRole(role: string): void {
  if (Object.hasOwn(organizationRoles, role)) return;
  throw new NotFoundError(
    `role "${role}" does not exist; there are ${Object.keys(organizationRoles).join(", ")}`,
  );
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
