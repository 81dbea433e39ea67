import type { FastifyReply, FastifyRequest } from "fastify";

/** `?json`, with any value or none. */
export function isJsonWanted(request: FastifyRequest): boolean {
  const query = request.query;
  return typeof query === "object" && query !== null && "json" in query;
}

/** Whether the client has it already: what it sends is the tag, a list of tags, or any. */
export function isNotModified(request: Pick<FastifyRequest, "headers">, etag: string): boolean {
  return hasTag(request.headers["if-none-match"], etag);
}

/** The same for a header as it stands (RFC 9110, 13.1.2). */
export function hasTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));
}

/** As bytes, so that the content type stays as it is: Fastify would add a charset to one of JSON. */
export function sendText(reply: FastifyReply, contentType: string, text: string): FastifyReply {
  return reply.header("content-type", contentType).send(Buffer.from(text));
}
