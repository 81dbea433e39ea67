import type { FastifyRequest } from "fastify";
import type { Authenticator } from "../../auth/authenticator.ts";
import { anonymous, type Caller } from "../../auth/caller.ts";
import { CoordinatorError, ForbiddenError, UnauthorizedError } from "../../errors.ts";
import type { Api } from "../api.ts";
import { readCookie, SESSION_COOKIE } from "../cookies.ts";

/**
 * Who may come in at all; what they may do there is the authority's question.
 * `none`: credentials are not looked at. `optional`: bad ones count as none. `required`: 401 without good ones. `superuser`: those of a superuser.
 */
export type Access = "none" | "optional" | "required" | "superuser";

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    /** A key that is pinned to a cache may come in: the route is about one cache, and the authority holds the key to its own. */
    admitsCacheKeys?: boolean;
  }
  interface FastifyRequest {
    caller: Caller;
  }
}

/** Gives every request of this instance its caller. A route that does not say who may come in is refused at start. */
export function addAccessControl(api: Api, authenticator: Authenticator): void {
  api.decorateRequest("caller");
  api.addHook("onRoute", (route) => {
    if (route.config?.access !== undefined) return;
    throw new Error(`route ${String(route.method)} ${route.url} does not say who may come in`);
  });
  api.addHook("onRequest", async (request) => {
    const { access = "none", admitsCacheKeys = false } = request.routeOptions.config;
    request.caller = await callerOf(request, access, authenticator);
    if (request.caller.kind === "anonymous") return;
    if (access === "superuser" && request.caller.user.superuser === 0) {
      throw new ForbiddenError("only superusers may do this", { code: "superuser_required" });
    }
    if (!admitsCacheKeys && request.caller.key !== null && request.caller.key.cacheId !== null) {
      throw new ForbiddenError("this API key is pinned to a cache and reaches nothing else");
    }
  });
}

async function callerOf(
  request: FastifyRequest,
  access: Access,
  authenticator: Authenticator,
): Promise<Caller> {
  if (access === "none") return anonymous;
  try {
    return await callerNow(request, authenticator);
  } catch (error) {
    if (access === "optional" && error instanceof CoordinatorError) return anonymous;
    throw error;
  }
}

/** Who asks, looked up anew, for an answer that goes on for long. Throws UnauthorizedError or ForbiddenError when the credentials are good no more. */
export function callerNow(request: FastifyRequest, authenticator: Authenticator): Promise<Caller> {
  return authenticator.authenticate({ token: tokenOf(request), address: request.ip });
}

/** The token of the Authorization header, else of the cookie, which pages of other origins may not use. Throws UnauthorizedError. */
export function tokenOf(request: FastifyRequest): string {
  const header = request.headers.authorization;
  if (header !== undefined) {
    const token = /^Bearer (\S+)$/.exec(header)?.[1];
    if (token !== undefined) return token;
    throw new UnauthorizedError('the Authorization header has to be "Bearer <token>"');
  }
  const cookie = readCookie(request.headers.cookie, SESSION_COOKIE);
  if (cookie !== null && cookie !== "") {
    if (request.foreignOrigin === null) return cookie;
    throw new UnauthorizedError(
      `pages of ${request.foreignOrigin} may not use a session's cookie here`,
    );
  }
  throw new UnauthorizedError("credentials are needed: send Authorization: Bearer <token>");
}
