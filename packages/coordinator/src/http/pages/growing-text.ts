import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

/** Answers with a text as it grows. `texts` gets a signal that aborts when the client goes away or the server stops. */
export function sendGrowingText(
  reply: FastifyReply,
  stopping: AbortSignal,
  texts: (signal: AbortSignal) => AsyncIterable<string>,
): FastifyReply {
  const gone = new AbortController();
  reply.raw.socket?.setTimeout(0);
  reply.raw.once("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stopping]);
  return reply
    .headers({
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    })
    .send(Readable.from(begun(reply, texts(signal), signal), { objectMode: false }));
}

async function* begun(
  reply: FastifyReply,
  texts: AsyncIterable<string>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // The first text may be hours away.
  reply.raw.flushHeaders();
  try {
    yield* texts;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
