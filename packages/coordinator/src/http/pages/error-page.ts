import type { FastifyReply, FastifyRequest } from "fastify";
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
    request.log.error({ err: error, method: request.method, url: request.url }, "page failed");
  }
  const text = known?.message ?? `internal error; the server's log tells why, under ${request.id}`;
  return sendPage(reply, {
    title: "That did not work",
    status: known?.status ?? 500,
    content: html`<p class="fault">${text}</p>`,
  });
}
