import type { FastifyReply, FastifyRequest } from "fastify";

/** `?json`, with any value or none. */
export function isJsonWanted(request: FastifyRequest): boolean {
  const query = request.query;
  return typeof query === "object" && query !== null && "json" in query;
}

export function sendText(reply: FastifyReply, contentType: string, text: string): FastifyReply {
  return reply.header("content-type", contentType).send(Buffer.from(text));
}
