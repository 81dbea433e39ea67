import type { FastifyReply, FastifyRequest } from "fastify";
import { RateLimitedError } from "../../errors.ts";
import { toCoordinatorError } from "../errors.ts";
import { html } from "./html.ts";
import { sendPage } from "./page.ts";

/** Tells a failure to somebody who sits in front of a page. */
export function sendErrorPage(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = toCoordinatorError(error);
  if (known === null) {
    // Not the query: it holds a code.
    const path = request.url.split("?", 1)[0];
    request.log.error({ err: error, method: request.method, path }, "page failed");
  }
  if (known instanceof RateLimitedError) reply.header("retry-after", known.retryAfterSeconds);
  const text = known?.message ?? `internal error; the server's log tells why, under ${request.id}`;
  return sendPage(reply, {
    title: "That did not work",
    status: known?.status ?? 500,
    content: html`<p class="fault">${text}</p>`,
  });
}
