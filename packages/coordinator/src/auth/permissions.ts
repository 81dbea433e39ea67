/**
 * Catalogues of what may be done in an organization and in a cache. The position of a name is its bit, so names are only ever appended.
 * Masks are below 2^31 and fit JavaScript's bit operators.
 */
export interface CatalogueEntry {
  id: string;
  mutating: boolean;
}

export const organizationPermissions = [
  { id: "viewOrg", mutating: false },
  { id: "manageOrgSettings", mutating: true },
  { id: "deleteOrg", mutating: true },
  { id: "manageMembers", mutating: true },
  { id: "manageRoles", mutating: true },
  { id: "manageIntegrations", mutating: true },
  { id: "manageActions", mutating: true },
  { id: "manageWorkers", mutating: true },
  { id: "manageSubscriptions", mutating: true },
  { id: "manageSshKey", mutating: true },
  { id: "createProject", mutating: true },
  { id: "editProject", mutating: true },
  { id: "triggerEvaluation", mutating: true },
  { id: "manageTriggers", mutating: true },
] as const satisfies readonly CatalogueEntry[];

export const cachePermissions = [
  { id: "viewCache", mutating: false },
  { id: "readStore", mutating: false },
  { id: "writeStore", mutating: true },
  { id: "manageCacheSettings", mutating: true },
  { id: "manageCacheKeys", mutating: true },
  { id: "manageCacheUpstreams", mutating: true },
  { id: "manageCacheMembers", mutating: true },
  { id: "manageCacheRoles", mutating: true },
  { id: "manageCacheSubscriptions", mutating: true },
  { id: "deleteCache", mutating: true },
] as const satisfies readonly CatalogueEntry[];

export type OrganizationPermission = (typeof organizationPermissions)[number]["id"];
export type CachePermission = (typeof cachePermissions)[number]["id"];

/** Masks of the built-in roles; both kinds of role have the same three names. */
export const organizationRoles: Readonly<Record<string, number>> = {
  Admin: 16_383,
  Write: 16_353,
  View: 929,
};
export const cacheRoles: Readonly<Record<string, number>> = { Admin: 1023, Write: 7, View: 3 };

export const ALL_CACHE_PERMISSIONS = 2 ** cachePermissions.length - 1;

export function hasOrganizationPermission(
  mask: number,
  permission: OrganizationPermission,
): boolean {
  return (mask & bitOf(organizationPermissions, permission)) !== 0;
}

export function hasCachePermission(mask: number, permission: CachePermission): boolean {
  return (mask & bitOf(cachePermissions, permission)) !== 0;
}

/** Names in the mask, in the catalogue's order. */
export function permissionNames(catalogue: readonly CatalogueEntry[], mask: number): string[] {
  return catalogue.filter((_, bit) => (mask & (1 << bit)) !== 0).map((entry) => entry.id);
}

/** Mask of the names, or the first name that is not in the catalogue. */
export function permissionMask(
  catalogue: readonly CatalogueEntry[],
  names: readonly string[],
): { mask: number } | { unknown: string } {
  let mask = 0;
  for (const name of names) {
    const bit = bitOf(catalogue, name);
    if (bit === 0) return { unknown: name };
    mask |= bit;
  }
  return { mask };
}

function bitOf(catalogue: readonly CatalogueEntry[], id: string): number {
  const at = catalogue.findIndex((entry) => entry.id === id);
  return at < 0 ? 0 : 1 << at;
}
