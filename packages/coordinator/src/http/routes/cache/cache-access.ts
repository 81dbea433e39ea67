import type { FastifyRequest } from "fastify";
import { hasCachePermission } from "../../../auth/permissions.ts";
import type { Actor } from "../../../accounts/audit.ts";
import { actorBy } from "../../actor.ts";
import type { CacheMembership } from "../../../db/cache-repository.ts";
import type { Reader } from "../../../db/cache-traffic-repository.ts";
import type { SurfaceCache } from "../../../db/cache-surface-view.ts";
import {
  BadRequestError,
  CoordinatorError,
  NotFoundError,
  UnauthorizedError,
} from "../../../errors.ts";
import type { Services } from "../../api.ts";
import { tokenOf } from "../../plugins/access.ts";

/** A cache that somebody may read, and who that is; null in a public cache, where nobody is asked. */
export interface ReadCache extends SurfaceCache {
  readonly reader: Reader | null;
}

type Needs = Pick<Services, "authenticator" | "authority" | "surface">;

/**
 * The cache of a request when the caller may read its store. Throws NotFoundError, BadRequestError for a cache that is switched off,
 * UnauthorizedError for everybody who may not read a private one; ForbiddenError only for a key that is used from a wrong address.
 */
export async function readableCache(
  needs: Needs,
  request: FastifyRequest,
  name: string,
): Promise<ReadCache> {
  const cache = needs.surface.findCache(name);
  if (cache === undefined) throw new NotFoundError(`cache "${name}" does not exist`);
  if (cache.active === 0) throw new BadRequestError(`cache "${name}" is switched off`);
  const reader = cache.public === 0 ? await checkPrivateRead(needs, request, name) : null;
  return { ...cache, reader };
}

/** Whether the caller may write to the cache. */
export async function isWriter(
  needs: Needs,
  request: FastifyRequest,
  name: string,
): Promise<boolean> {
  try {
    await writableCache(needs, request, name);
    return true;
  } catch (error) {
    if (error instanceof CoordinatorError) return false;
    throw error;
  }
}

/**
 * The cache of a request when the caller may write to its store. Throws NotFoundError, BadRequestError for a cache that is switched off,
 * UnauthorizedError without good credentials and for strangers of a private cache, ForbiddenError for those who may only read.
 */
export async function writableCache(
  needs: Needs,
  request: FastifyRequest,
  name: string,
): Promise<{ cache: CacheMembership; by: Actor }> {
  const known = needs.surface.findCache(name);
  if (known === undefined) throw new NotFoundError(`cache "${name}" does not exist`);
  if (known.active === 0) throw new BadRequestError(`cache "${name}" is switched off`);
  const refusal = new UnauthorizedError(
    `writing to cache "${name}" needs HTTP Basic credentials with a token or API key as the password`,
  );
  try {
    const token = basicPassword(request.headers.authorization) ?? tokenOf(request);
    const caller = await needs.authenticator.authenticate({ token, address: request.ip });
    const { cache } = await needs.authority.cache(caller, name, "writeStore");
    return { cache, by: actorBy(caller, request) };
  } catch (error) {
    if (error instanceof NotFoundError || error instanceof UnauthorizedError) throw refusal;
    throw error;
  }
}

async function checkPrivateRead(
  needs: Needs,
  request: FastifyRequest,
  name: string,
): Promise<Reader> {
  const refusal = new UnauthorizedError(
    `cache "${name}" is private: send HTTP Basic credentials with a token or API key as the password`,
  );
  try {
    const token = basicPassword(request.headers.authorization) ?? tokenOf(request);
    const caller = await needs.authenticator.authenticate({ token, address: request.ip });
    const { mask } = await needs.authority.readCache(caller, name);
    if (!hasCachePermission(mask, "readStore")) throw refusal;
    return { userId: caller.user.id, apiKeyId: caller.key?.id ?? null };
  } catch (error) {
    if (!(error instanceof CoordinatorError) || error.code === "forbidden_source_ip") throw error;
    throw refusal;
  }
}

/** The password of HTTP Basic credentials; the user's name does not matter. */
function basicPassword(header: string | undefined): string | null {
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  return text.slice(text.indexOf(":") + 1);
}
