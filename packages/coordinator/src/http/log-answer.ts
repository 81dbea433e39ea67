import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { piecesOf } from "../log-streams/log-text.ts";

/**
 * Answers with a stream of texts as newline-delimited JSON strings. `texts` gets a signal that aborts when the client goes away or the server
 * stops. A stream without any text has one empty string.
 */
export function sendLogStream(
  reply: FastifyReply,
  stopping: AbortSignal,
  texts: (signal: AbortSignal) => AsyncIterable<string>,
): FastifyReply {
  const gone = new AbortController();
  reply.raw.socket?.setTimeout(0);
  reply.raw.once("close", () => gone.abort());
  const frames = framesOf(texts(AbortSignal.any([gone.signal, stopping])), () => {
    // A client waits for these before it listens, and the first text may be hours away.
    reply.raw.flushHeaders();
  });
  return reply
    .headers({
      "content-type": "application/x-ndjson",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    })
    .send(Readable.from(frames, { objectMode: false }));
}

async function* framesOf(texts: AsyncIterable<string>, begin: () => void): AsyncGenerator<string> {
  begin();
  let isEmpty = true;
  for await (const text of texts) {
    for (const piece of piecesOf(text)) {
      isEmpty = false;
      yield `${JSON.stringify(piece)}\n`;
    }
  }
  if (isEmpty) yield '""\n';
}
