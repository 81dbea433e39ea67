import type { Authority } from "../auth/authority.ts";
import type { SignedIn } from "../auth/caller.ts";
import {
  cachePermissions,
  hasCachePermission,
  organizationPermissions,
  permissionMask,
  permissionNames,
  type CatalogueEntry,
} from "../auth/permissions.ts";
import { BadRequestError, ForbiddenError, NotFoundError } from "../errors.ts";
import { canonicalRange } from "../rules/address.ts";

/** Throws BadRequestError. */
export function checkKeyName(name: string): void {
  if (name.trim() === "") throw new BadRequestError("an API key needs a name");
}

/** Mask of names of the organization catalogue. Throws BadRequestError. */
export function organizationKeyMask(names: readonly string[]): number {
  return maskOf(organizationPermissions, "organization", names);
}

/** Id of the organization that a key of the owner's may be pinned to. Throws BadRequestError. */
export async function pinnedOrganization(
  authority: Authority,
  owner: SignedIn,
  name: string,
): Promise<string> {
  try {
    return (await authority.memberOrganization(owner, name)).organization.id;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new BadRequestError(`you are not a member of organization "${name}"`);
  }
}

/**
 * Cache and mask of a key that is pinned to a cache. Needs manageCacheMembers on the cache, and no right may be given that the owner lacks.
 * Throws BadRequestError, ForbiddenError, NotFoundError.
 */
export async function cacheKeyScope(
  authority: Authority,
  owner: SignedIn,
  cacheName: string,
  permissions: readonly string[],
): Promise<{ cacheId: string; mask: number }> {
  const mask = maskOf(cachePermissions, "cache", permissions);
  const access = await authority.readCache(owner, cacheName);
  if (!hasCachePermission(access.mask, "manageCacheMembers")) {
    throw new ForbiddenError(
      `the permission manageCacheMembers on cache "${cacheName}" is needed for a key that is pinned to it`,
    );
  }
  const excess = permissionNames(cachePermissions, mask & ~access.mask);
  if (excess.length > 0) {
    throw new ForbiddenError(
      `you cannot give what you lack on cache "${cacheName}": ${excess.join(", ")}`,
    );
  }
  return { cacheId: access.cache.id, mask };
}

/** Ranges in their canonical form. Throws BadRequestError `invalid_allowed_ip`. */
export function checkRanges(texts: readonly string[]): string[] {
  return texts.map((text) => {
    const range = canonicalRange(text);
    if (range !== null) return range;
    throw new BadRequestError(`"${text}" is neither an IP address nor a range such as 10.0.0.0/8`, {
      code: "invalid_allowed_ip",
    });
  });
}

function maskOf(
  catalogue: readonly CatalogueEntry[],
  kind: string,
  names: readonly string[],
): number {
  if (names.length === 0) throw new BadRequestError("an API key needs at least one permission");
  const result = permissionMask(catalogue, names);
  if ("mask" in result) return result.mask;
  throw new BadRequestError(
    `"${result.unknown}" is no ${kind} permission; GET /api/v1/user/keys/permissions lists them`,
  );
}
