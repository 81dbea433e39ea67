import type { FastifyReply } from "fastify";

/** Answers of APIs without an envelope. The object is of the schema's type; a list of a hundred thousand is not validated again. Its length is told: clients pipeline. */
export function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return sendJsonText(reply, JSON.stringify(body));
}

/** The same for what is JSON already. */
export function sendJsonText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type("application/json;charset=utf-8").send(text);
}
