import type { FastifyRequest } from "fastify";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Caller } from "../auth/caller.ts";

/**
 * Who calls an address that stands in a page or a README: whoever the request's credentials name, else the owner of the session token or API
 * key in the query. Throws UnauthorizedError or ForbiddenError for a token that is not good.
 */
export async function callerByQuery(
  authenticator: Authenticator,
  request: Pick<FastifyRequest, "caller" | "ip">,
  token: string | undefined,
): Promise<Caller> {
  if (request.caller.kind === "signed-in" || token === undefined) return request.caller;
  return authenticator.authenticate({ token, address: request.ip });
}
