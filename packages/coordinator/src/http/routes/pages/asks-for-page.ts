import type { FastifyRequest } from "fastify";
import { sendErrorPage } from "../../pages/error-page.ts";
import { sendCuirassError } from "../cuirass/cuirass-errors.ts";
import type { FastifyReply } from "fastify";

/** Whether somebody sits in front of it: programs do not ask for HTML. */
export function asksForPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes("text/html") ?? false;
}

/** The error handler of pages that Cuirass refuses with JSON: a browser is shown a page. */
export function sendEither(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const send = asksForPage(request) ? sendErrorPage : sendCuirassError;
  void send(error, request, reply);
}
