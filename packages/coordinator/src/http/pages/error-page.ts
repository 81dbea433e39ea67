import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimitedError } from "../../errors.ts";
import { errorBody, toCoordinatorError } from "../errors.ts";
import { sendView } from "./send-view.ts";

/** Tells a failure to somebody who sits in front of a page. */
export function sendErrorPage(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const known = toCoordinatorError(error);
  if (known === null) {
    // Not the query: it holds a code.
    const path = request.url.split("?", 1)[0];
    request.log.error({ err: error, method: request.method, path }, "page failed");
  }
  if (known instanceof RateLimitedError) reply.header("retry-after", known.retryAfterSeconds);
  const status = known?.status ?? 500;
  const message =
    known === null
      ? `internal error; the server's log tells why, under ${request.id}`
      : errorBody(known).message;
  const title = status === 404 ? "There is no such page" : "That did not work";
  return sendView(reply, { kind: "failure", title, message }, { status, cacheControl: "no-store" });
}
