import { v7 as uuidv7 } from "uuid";
import type { Authority } from "../auth/authority.ts";
import type { SignedIn } from "../auth/caller.ts";
import { apiKeyHash, generateApiKey } from "../auth/random-token.ts";
import { insertApiKey } from "../db/api-key-repository.ts";
import type { Database } from "../db/client.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { audit, type Actor } from "./audit.ts";
import {
  cacheKeyScope,
  checkKeyName,
  checkRanges,
  organizationKeyMask,
  pinnedOrganization,
} from "./key-scope.ts";

export interface KeyRequest {
  name: string;
  permissions: readonly string[];
  organization: string | null;
  cache: string | null;
  expiresInDays: number | null;
  allowedIps: readonly string[];
  actor: Actor;
}

interface Scope {
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
  checkKeyName(request.name);
  const allowedIps = checkRanges(request.allowedIps);
  const scope = await scopeOf(dependencies.authority, owner, request);
  const key = generateApiKey();
  const row = {
    id: uuidv7(),
    user_id: owner.user.id,
    name: request.name,
    secret_hash: apiKeyHash(key) ?? "",
    permissions: scope.mask,
    organization_id: scope.organizationId,
    cache_id: scope.cacheId,
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
  throw keyNameTaken(request.name);
}

/** 409 `already_exists`: a user's keys have different names, revoked ones included. */
export function keyNameTaken(name: string): ConflictError {
  return new ConflictError(`you have an API key named "${name}" already`, {
    code: "already_exists",
  });
}

async function scopeOf(authority: Authority, owner: SignedIn, request: KeyRequest): Promise<Scope> {
  const { organization, cache, permissions } = request;
  if (organization !== null && cache !== null) {
    throw new BadRequestError("an API key is pinned to an organization or to a cache, not to both");
  }
  if (cache !== null) {
    const scope = await cacheKeyScope(authority, owner, cache, permissions);
    return { organizationId: null, ...scope };
  }
  const mask = organizationKeyMask(permissions);
  const organizationId =
    organization === null ? null : await pinnedOrganization(authority, owner, organization);
  return { organizationId, cacheId: null, mask };
}
