import { v7 as uuidv7 } from "uuid";
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
import { apiKeyHash, generateApiKey } from "../auth/random-token.ts";
import { insertApiKey } from "../db/api-key-repository.ts";
import type { Database } from "../db/client.ts";
import { BadRequestError, ConflictError, ForbiddenError, NotFoundError } from "../errors.ts";
import { canonicalRange } from "../rules/address.ts";
import { audit, type Actor } from "./audit.ts";

export interface KeyRequest {
  name: string;
  permissions: readonly string[];
  organization: string | null;
  cache: string | null;
  expiresInDays: number | null;
  allowedIps: readonly string[];
  actor: Actor;
}

interface Pin {
  organizationId: string | null;
  cacheId: string | null;
  mask: number;
}

const DAY_MS = 86_400_000;

/**
 * Makes an API key and returns its text, which is shown once and kept only as a hash. Throws BadRequestError, ForbiddenError,
 * NotFoundError (a cache that is not visible), ConflictError (name taken).
 */
export async function mintApiKey(
  dependencies: { database: Database; authority: Authority },
  owner: SignedIn,
  request: KeyRequest,
  now: number,
): Promise<string> {
  if (request.name.trim() === "") throw new BadRequestError("an API key needs a name");
  const allowedIps = request.allowedIps.map(checkRange);
  const pin = await pinOf(dependencies.authority, owner, request);
  const key = generateApiKey();
  const row = {
    id: uuidv7(),
    user_id: owner.user.id,
    name: request.name,
    secret_hash: apiKeyHash(key) ?? "",
    permissions: pin.mask,
    organization_id: pin.organizationId,
    cache_id: pin.cacheId,
    allowed_ips_json: JSON.stringify(allowedIps),
    managed: 0 as const,
    created_at: now,
    last_used_at: null,
    expires_at: request.expiresInDays === null ? null : now + request.expiresInDays * DAY_MS,
    revoked_at: null,
  };
  const isStored = await dependencies.database.transaction(async ({ kysely }) => {
    if (!(await insertApiKey(kysely, row))) return false;
    const { name: subject, actor } = request;
    await audit(kysely, { event: "api_key.create", actor, subject }, now);
    return true;
  });
  if (isStored) return key;
  throw new ConflictError(`you have an API key named "${request.name}" already`, {
    code: "already_exists",
  });
}

async function pinOf(authority: Authority, owner: SignedIn, request: KeyRequest): Promise<Pin> {
  if (request.organization !== null && request.cache !== null) {
    throw new BadRequestError("an API key is pinned to an organization or to a cache, not to both");
  }
  if (request.cache !== null) return cachePin(authority, owner, request.cache, request.permissions);
  const mask = maskOf(organizationPermissions, "organization", request.permissions);
  if (request.organization === null) return { organizationId: null, cacheId: null, mask };
  try {
    const access = await authority.memberOrganization(owner, request.organization);
    return { organizationId: access.organization.id, cacheId: null, mask };
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new BadRequestError(`you are not a member of organization "${request.organization}"`);
  }
}

/** Needs manageCacheMembers on the cache, and no right may be given that the owner lacks. */
async function cachePin(
  authority: Authority,
  owner: SignedIn,
  cacheName: string,
  permissions: readonly string[],
): Promise<Pin> {
  const mask = maskOf(cachePermissions, "cache", permissions);
  const access = await authority.readCache(owner, cacheName);
  if (!hasCachePermission(access.mask, "manageCacheMembers")) {
    throw new ForbiddenError(
      `the permission manageCacheMembers on cache "${cacheName}" is needed to pin a key to it`,
    );
  }
  const excess = permissionNames(cachePermissions, mask & ~access.mask);
  if (excess.length > 0) {
    throw new ForbiddenError(
      `you cannot give what you lack on cache "${cacheName}": ${excess.join(", ")}`,
    );
  }
  return { organizationId: null, cacheId: access.cache.id, mask };
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

function checkRange(text: string): string {
  const range = canonicalRange(text);
  if (range !== null) return range;
  throw new BadRequestError(`"${text}" is neither an IP address nor a range such as 10.0.0.0/8`, {
    code: "invalid_allowed_ip",
  });
}
