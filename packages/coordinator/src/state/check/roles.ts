import {
  cachePermissions,
  organizationPermissions,
  permissionMask,
  type CatalogueEntry,
} from "../../auth/permissions.ts";
import { checkSlug } from "../../rules/names.ts";
import type { Declared, Path } from "../declared.ts";
import type { Findings } from "../findings.ts";

/** Roles belong to an organization or to a cache, whose catalogue their permissions are of. */
export function checkRoles({ roles, organizations, caches }: Declared, findings: Findings): void {
  findings.unique(
    roles.map(({ path, name, organization, cache }) => ({
      path,
      key: [organization, cache, name].join("\n"),
    })),
    "the name",
  );
  const organizationNames = new Set(organizations.map(({ name }) => name));
  const cacheNames = new Set(caches.map(({ name }) => name));
  for (const role of roles) {
    const { path, name, organization, cache } = role;
    findings.rule(path, () => checkSlug("role", name));
    findings.exactlyOne(path, role, ["organization", "cache"]);
    if (organization !== undefined) {
      findings.known([...path, "organization"], "organizations", organizationNames, organization);
    }
    if (cache !== undefined) findings.known([...path, "cache"], "caches", cacheNames, cache);
    checkPermissions(role, findings, {
      catalogue: cache === undefined ? organizationPermissions : cachePermissions,
    });
  }
}

/** A finding for each name that is not in the catalogue. */
export function checkPermissions(
  { path, permissions }: { readonly path: Path; readonly permissions: readonly string[] },
  findings: Findings,
  { catalogue }: { readonly catalogue: readonly CatalogueEntry[] },
): void {
  for (const [at, permission] of permissions.entries()) {
    if ("mask" in permissionMask(catalogue, [permission])) continue;
    findings.add(
      [...path, "permissions", at],
      `${JSON.stringify(permission)} is no permission; there are ${catalogue.map(({ id }) => id).join(", ")}`,
    );
  }
}
