import type { FastifyReply } from "fastify";
import { piecesOf } from "../log-streams/log-text.ts";
import { sendGrowing } from "./growing-answer.ts";

const HEADERS = { "content-type": "application/x-ndjson", "cache-control": "no-cache" };

/**
 * Answers with a stream of texts as newline-delimited JSON strings. `texts` gets a signal that aborts when the client goes away or the server
 * stops. A stream without any text has one empty string.
 */
export function sendLogStream(
  reply: FastifyReply,
  stopping: AbortSignal,
  texts: (signal: AbortSignal) => AsyncIterable<string>,
): FastifyReply {
  return sendGrowing(reply, stopping, HEADERS, (signal) => framesOf(texts(signal)));
}

async function* framesOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const text of texts) {
    for (const piece of piecesOf(text)) {
      isEmpty = false;
      yield `${JSON.stringify(piece)}\n`;
    }
  }
  if (isEmpty) yield '""\n';
}
