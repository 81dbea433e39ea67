import { v7 as uuidv7 } from "uuid";
import { findRoleByName, insertRole, updateRole } from "../../db/role-repository.ts";
import type { Realm } from "../../db/member-repository.ts";
import { permissionMask } from "../../auth/permissions.ts";
import { catalogueOf } from "../../members/roles.ts";
import type { DeclaredRole } from "../declared.ts";
import { idOf, record, type Applying } from "./applying.ts";

/** Makes the roles what the file declares, before members are given them. */
export async function applyRoles(applying: Applying): Promise<void> {
  for (const role of applying.declared.roles) await applyRole(applying, role);
}

async function applyRole(applying: Applying, role: DeclaredRole): Promise<void> {
  const { db, now } = applying;
  const { name } = role;
  const realm = realmOf(applying, role);
  const permissions = maskOf(realm, role.permissions);
  const found = await findRoleByName(db, realm, name);
  const id = found?.id ?? uuidv7();
  applying.kept.add(id);
  if (found === undefined) {
    const row = { id, name, permissions, managed: 1 as const, created_at: now };
    await insertRole(db, realm, row);
    record(applying, "created", "role", name);
  } else if (found.permissions !== permissions || found.managed === 0) {
    await updateRole(db, found.id, { name, permissions, managed: 1 });
    record(applying, "changed", "role", name);
  }
}

/** Both ids are known: organizations and caches are made before their roles. */
function realmOf(applying: Applying, { organization, cache }: DeclaredRole): Realm {
  return cache === undefined
    ? { kind: "organization", id: idOf(applying.organizationIds, organization ?? "") }
    : { kind: "cache", id: idOf(applying.cacheIds, cache) };
}

function maskOf(realm: Realm, names: readonly string[]): number {
  const result = permissionMask(catalogueOf(realm), names);
  if ("mask" in result) return result.mask;
  throw new Error(`${result.unknown} was checked`);
}
