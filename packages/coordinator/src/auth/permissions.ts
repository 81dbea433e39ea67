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

/** A role that every organization, or every cache, has and nobody can change. */
export interface BuiltInRole {
  id: string;
  name: "Admin" | "Write" | "View";
  mask: number;
}

/** The ids are part of the API. */
export const builtInOrganizationRoles: readonly BuiltInRole[] = [
  { id: "00000000-0000-0000-0000-000000000001", name: "Admin", mask: 16_383 },
  { id: "00000000-0000-0000-0000-000000000002", name: "Write", mask: 16_353 },
  { id: "00000000-0000-0000-0000-000000000003", name: "View", mask: 929 },
];
export const builtInCacheRoles: readonly BuiltInRole[] = [
  { id: "00000000-0000-0000-0000-000000000011", name: "Admin", mask: 1023 },
  { id: "00000000-0000-0000-0000-000000000012", name: "Write", mask: 7 },
  { id: "00000000-0000-0000-0000-000000000013", name: "View", mask: 3 },
];

/** What a member may do who has the role: a built-in one, or one whose permissions are stored. 0 for no role. */
export function roleMask(
  builtIns: readonly BuiltInRole[],
  role: string | null,
  storedPermissions: number | null,
): number {
  if (role === null) return 0;
  return builtIns.find(({ name }) => name === role)?.mask ?? storedPermissions ?? 0;
}

export const ALL_CACHE_PERMISSIONS = 2 ** cachePermissions.length - 1;

/** `mask` is one of `organizationPermissions`: the same bits mean other things for a cache. */
export function hasOrganizationPermission(
  mask: number,
  permission: OrganizationPermission,
): boolean {
  return (mask & bitOf(organizationPermissions, permission)) !== 0;
}

/** `mask` is one of `cachePermissions`: the same bits mean other things for an organization. */
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
