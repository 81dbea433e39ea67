import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimitedError } from "../../../errors.ts";
import { errorBody, toCoordinatorError } from "../../errors.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";

/** The error handler of these routes: `{"error": "..."}`, which clients print. */
export function sendNixbuildError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.header(REQUEST_ID_HEADER, request.id);
  const known = toCoordinatorError(error);
  if (known === null) {
    // Not the query: it may hold a signature.
    const path = request.url.split("?", 1)[0];
    request.log.error({ err: error, method: request.method, path }, "request failed");
    return reply.code(500).send({ error: "internal error; the server's log tells why" });
  }
  if (known instanceof RateLimitedError) reply.header("retry-after", known.retryAfterSeconds);
  if (known.status === 401) reply.header("www-authenticate", "Bearer");
  return reply.code(known.status).send(nixbuildErrorBody(known.message));
}

/** Cut as every message is that may quote what was sent. */
export function nixbuildErrorBody(message: string): { error: string } {
  return { error: errorBody({ code: "", message }).message };
}

/** Whether a path without its query lies where this API does; `prefix` is the further place that it may have. */
export function isNixbuildPath(path: string, prefix: string | null): boolean {
  const roots = ["/builds", "/usage", ...(prefix === null ? [] : [prefix])];
  return roots.some((root) => path === root || path.startsWith(`${root}/`));
}
