import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimitedError } from "../../../errors.ts";
import { errorBody, toCoordinatorError } from "../../errors.ts";
import { REQUEST_ID_HEADER } from "../../request-ids.ts";

/** The error handler of these routes: one key, `{"error":"..."}`. */
export function sendCuirassError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.header(REQUEST_ID_HEADER, request.id).type("application/json;charset=utf-8");
  const known = toCoordinatorError(error);
  if (known === null) {
    // Not the query: it may hold a token.
    const path = request.url.split("?", 1)[0];
    request.log.error({ err: error, method: request.method, path }, "request failed");
    const message = "internal error; the server's log tells why";
    return reply.code(500).send(JSON.stringify({ error: message }));
  }
  if (known instanceof RateLimitedError) reply.header("retry-after", known.retryAfterSeconds);
  const { message } = errorBody(known);
  return reply.code(known.status).send(JSON.stringify({ error: message }));
}

const ROOTS = new Set([
  "build",
  "output",
  "jobset",
  "jobsets",
  "specifications",
  "eval",
  "dashboard",
  "search",
  "log",
  "download",
  "events",
]);

/** Whether a path without its query lies where this API does. */
export function isCuirassPath(path: string): boolean {
  const [, first = "", second = ""] = path.split("/");
  return ROOTS.has(first) || (first === "api" && second !== "v1");
}

/** What Cuirass answers to a path or method that it does not have. */
export function sendNoResource(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.originalUrl.split("?", 1)[0] ?? "";
  const body = `Resource not found: ${path}`;
  return reply
    .code(404)
    .headers({ "content-type": "text/plain;charset=utf-8", "x-content-type-options": "nosniff" })
    .send(body);
}

/** A slash at the end of a path means nothing here. */
export function withoutTrailingSlash(url: string): string {
  const at = url.indexOf("?");
  const path = at < 0 ? url : url.slice(0, at);
  if (!path.endsWith("/") || !isCuirassPath(path)) return url;
  return path.replace(/\/+$/, "") + (at < 0 ? "" : url.slice(at));
}
