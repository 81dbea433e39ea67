import type { FastifyReply } from "fastify";

/** Answers without the envelope that the other API has. The object is of the schema's type; a list of a thousand is not validated again. */
export function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return sendJsonText(reply, JSON.stringify(body));
}

/** The same for what is JSON already. */
export function sendJsonText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type("application/json; charset=utf-8").send(text);
}
