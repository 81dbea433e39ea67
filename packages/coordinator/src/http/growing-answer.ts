import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

/** Answers with texts as they come. `texts` gets a signal that aborts when the client goes away or the server stops. */
export function sendGrowing(
  reply: FastifyReply,
  stopping: AbortSignal,
  headers: Readonly<Record<string, string>>,
  texts: (signal: AbortSignal) => AsyncIterable<string>,
): FastifyReply {
  const gone = new AbortController();
  reply.raw.socket?.setTimeout(0);
  reply.raw.once("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stopping]);
  return reply
    .headers({ ...headers, "x-accel-buffering": "no" })
    .send(Readable.from(begun(reply, texts(signal), signal), { objectMode: false }));
}

async function* begun(
  reply: FastifyReply,
  texts: AsyncIterable<string>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // A client waits for these before it listens, and the first text may be hours away.
  reply.raw.flushHeaders();
  try {
    yield* texts;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
