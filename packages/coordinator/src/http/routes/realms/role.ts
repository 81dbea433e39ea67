import { z } from "zod";
import { permissionNames } from "../../../auth/permissions.ts";
import type { Realm } from "../../../db/member-repository.ts";
import { catalogueOf, type Role } from "../../../members/roles.ts";

const roleFields = {
  /** The built-in ones are no UUIDs of any version. */
  id: z.guid(),
  name: z.string(),
  /** One of the three that everybody has. */
  builtin: z.boolean(),
  managed: z.boolean(),
  permissions: z.array(z.string()),
};

/** `organization` is null for a built-in role. */
export const organizationRole = z
  .object({ ...roleFields, organization: z.uuid().nullable() })
  .meta({ id: "OrganizationRole" });
/** `cache` is null for a built-in role. */
export const cacheRole = z
  .object({ ...roleFields, cache: z.uuid().nullable() })
  .meta({ id: "CacheRole" });

export const availablePermissions = z.array(z.object({ id: z.string(), mutating: z.boolean() }));

export const newRoleBody = z.object({
  name: z.string(),
  permissions: z.array(z.string()).max(100),
});

/** What is absent or null stays as it is; `permissions` replaces all of them. */
export const roleChangeBody = z.object({
  name: z.string().nullish(),
  permissions: z.array(z.string()).max(100).nullish(),
});

/** As the schema of the realm's kind has it. */
export function toRole(
  realm: Realm,
  role: Role,
): z.infer<typeof organizationRole> | z.infer<typeof cacheRole> {
  const fields = {
    id: role.id,
    name: role.name,
    builtin: role.isBuiltIn,
    managed: role.isManaged,
    permissions: permissionNames(catalogueOf(realm), role.mask),
  };
  const owner = role.isBuiltIn ? null : realm.id;
  return realm.kind === "cache" ? { ...fields, cache: owner } : { ...fields, organization: owner };
}
