import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

const JSON_TYPE = "application/json;charset=utf-8";

/** Answers of APIs without an envelope. The object is of the schema's type; a list of a hundred thousand is not validated again. Its length is told: clients pipeline. */
export function sendJson(reply: FastifyReply, body: object): FastifyReply {
  return sendJsonText(reply, JSON.stringify(body));
}

/** The same for what is JSON already. */
export function sendJsonText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type(JSON_TYPE).send(text);
}

/** What is too long to be held: each text is sent before the next one is made, so nothing tells the length. No client pipelines what is so long. */
export function sendJsonTexts(reply: FastifyReply, texts: AsyncIterable<string>): FastifyReply {
  return reply.type(JSON_TYPE).send(Readable.from(texts));
}
