import { v7 as uuidv7 } from "uuid";
import { audit, type Actor } from "../accounts/audit.ts";
import {
  builtInCacheRoles,
  builtInOrganizationRoles,
  cachePermissions,
  organizationPermissions,
  permissionMask,
  permissionNames,
  type BuiltInRole,
  type CatalogueEntry,
} from "../auth/permissions.ts";
import type { Database, Queries } from "../db/client.ts";
import { listMembers, renameMembersRole, type Realm } from "../db/member-repository.ts";
import {
  deleteRole,
  findRole,
  findRoleByName,
  insertRole,
  listRoles,
  updateRole,
} from "../db/role-repository.ts";
import { BadRequestError, ConflictError, ForbiddenError, NotFoundError } from "../errors.ts";
import { checkSlug } from "../rules/names.ts";

/** A role that members can have: one that everybody has, or one of the organization's or cache's own. */
export interface Role {
  readonly id: string;
  readonly name: string;
  readonly mask: number;
  readonly isBuiltIn: boolean;
  readonly isManaged: boolean;
}

/** Its name is what the audit trail shows. */
export interface NamedRealm extends Realm {
  readonly name: string;
}

/** Who gives rights: no more than they have there themselves. */
export interface Granter {
  readonly mask: number;
  readonly actor: Actor;
}

interface Rules {
  readonly builtIns: readonly BuiltInRole[];
  readonly catalogue: readonly CatalogueEntry[];
}

const RULES: Readonly<Record<Realm["kind"], Rules>> = {
  organization: { builtIns: builtInOrganizationRoles, catalogue: organizationPermissions },
  cache: { builtIns: builtInCacheRoles, catalogue: cachePermissions },
};

/** What a role may allow. */
export function catalogueOf({ kind }: Realm): readonly CatalogueEntry[] {
  return RULES[kind].catalogue;
}

/** The built-in ones first, then the others by name. */
export async function allRoles(db: Queries, realm: Realm): Promise<Role[]> {
  const stored = await listRoles(db, realm);
  return [...RULES[realm.kind].builtIns.map(ofBuiltIn), ...stored.map(ofStored)];
}

/** Throws NotFoundError. */
export async function roleById(db: Queries, realm: Realm, id: string): Promise<Role> {
  const builtIn = RULES[realm.kind].builtIns.find((role) => role.id === id);
  if (builtIn !== undefined) return ofBuiltIn(builtIn);
  const stored = await findRole(db, realm, id);
  if (stored !== undefined) return ofStored(stored);
  throw new NotFoundError(`role ${id} does not exist`);
}

/** Throws NotFoundError that names the roles there are. */
export async function roleByName(db: Queries, realm: Realm, name: string): Promise<Role> {
  const builtIn = RULES[realm.kind].builtIns.find((role) => role.name === name);
  if (builtIn !== undefined) return ofBuiltIn(builtIn);
  const stored = await findRoleByName(db, realm, name);
  if (stored !== undefined) return ofStored(stored);
  const names = (await allRoles(db, realm)).map((role) => role.name).join(", ");
  throw new NotFoundError(`role "${name}" does not exist; there are ${names}`);
}

export interface RoleRequest {
  name: string;
  permissions: readonly string[];
}

/** Throws BadRequestError, ForbiddenError, ConflictError. */
export async function createRole(
  database: Database,
  realm: NamedRealm,
  granter: Granter,
  request: RoleRequest,
  now: number,
): Promise<Role> {
  checkSlug("role", request.name);
  const mask = maskOf(realm, request.permissions);
  checkGrant(realm, mask, granter.mask);
  const role = {
    id: uuidv7(),
    name: request.name,
    permissions: mask,
    managed: 0 as const,
    created_at: now,
  };
  await database.transaction(async ({ kysely: db }) => {
    if ((await findRoleByName(db, realm, role.name)) !== undefined) throw nameTaken(role.name);
    await insertRole(db, realm, role);
    const entry = { event: `${realm.kind}.role.create`, subject: realm.name } as const;
    const details = { role: role.name, permissions: mask };
    await audit(db, { ...entry, actor: granter.actor, details }, now);
  });
  return ofStored(role);
}

/**
 * What is undefined stays as it is; members who have the role keep it under its new name. Throws BadRequestError, ConflictError, NotFoundError, and
 * ForbiddenError for a role that cannot be changed and for permissions that the caller lacks.
 */
export async function changeRole(
  database: Database,
  realm: NamedRealm,
  granter: Granter,
  request: { id: string; name: string | undefined; permissions: readonly string[] | undefined },
  now: number,
): Promise<Role> {
  return database.transaction(async ({ kysely: db }) => {
    const role = await roleById(db, realm, request.id);
    checkChangeable(role);
    const name = request.name ?? role.name;
    const mask = request.permissions === undefined ? role.mask : maskOf(realm, request.permissions);
    checkGrant(realm, mask & ~role.mask, granter.mask);
    if (name !== role.name) {
      checkSlug("role", name);
      if ((await findRoleByName(db, realm, name)) !== undefined) throw nameTaken(name);
      await renameMembersRole(db, realm, { from: role.name, to: name });
    }
    await updateRole(db, role.id, { name, permissions: mask });
    const entry = { event: `${realm.kind}.role.update`, subject: realm.name } as const;
    const details = {
      role: name,
      permissions: mask,
      previous_role: role.name,
      previous_permissions: role.mask,
    };
    await audit(db, { ...entry, actor: granter.actor, details }, now);
    return { ...role, name, mask };
  });
}

/** Throws NotFoundError, ForbiddenError for a role that cannot be changed, ConflictError for one that members have. */
export async function removeRole(
  database: Database,
  realm: NamedRealm,
  actor: Actor,
  id: string,
  now: number,
): Promise<void> {
  await database.transaction(async ({ kysely: db }) => {
    const role = await roleById(db, realm, id);
    checkChangeable(role);
    const members = (await listMembers(db, realm)).filter((member) => member.role === role.name);
    if (members.length > 0) {
      const who = members.map(({ username }) => username).join(", ");
      throw new ConflictError(
        `role "${role.name}" is still the role of ${who}; give them another one first`,
      );
    }
    await deleteRole(db, role.id);
    const entry = { event: `${realm.kind}.role.delete`, subject: realm.name } as const;
    await audit(db, { ...entry, actor, details: { role: role.name } }, now);
  });
}

/** Nobody can give what they lack: `granterMask` is all that they have there. Throws ForbiddenError. */
export function checkGrant(realm: Realm, mask: number, granterMask: number): void {
  const excess = permissionNames(catalogueOf(realm), mask & ~granterMask);
  if (excess.length === 0) return;
  throw new ForbiddenError(
    `you cannot give what you lack on this ${realm.kind}: ${excess.join(", ")}`,
  );
}

function checkChangeable(role: Role): void {
  if (role.isBuiltIn)
    throw new ForbiddenError(`role "${role.name}" is built in and stays as it is`);
  if (!role.isManaged) return;
  throw new ForbiddenError(
    `role "${role.name}" is managed by the server's configuration and cannot be changed here`,
  );
}

function maskOf(realm: Realm, names: readonly string[]): number {
  const result = permissionMask(catalogueOf(realm), names);
  if ("mask" in result) return result.mask;
  throw new BadRequestError(
    `"${result.unknown}" is no ${realm.kind} permission; the list of roles names them all`,
  );
}

function nameTaken(name: string): ConflictError {
  return new ConflictError(`a role named "${name}" exists already`, { code: "already_exists" });
}

function ofBuiltIn({ id, name, mask }: BuiltInRole): Role {
  return { id, name, mask, isBuiltIn: true, isManaged: false };
}

function ofStored(role: { id: string; name: string; permissions: number; managed: 0 | 1 }): Role {
  const { id, name, permissions, managed } = role;
  return { id, name, mask: permissions, isBuiltIn: false, isManaged: managed === 1 };
}
