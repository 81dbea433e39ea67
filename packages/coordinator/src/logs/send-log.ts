import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

/** Up to so many characters are sent in one piece: a stream costs more than the reading of a small log. */
const SMALL_CHARACTERS = 64 * 1024;

/**
 * Answers with texts as they are read, at the pace of the client; reading stops when the client goes away. An error within the first
 * characters is thrown, so that it is answered like any other; a later one breaks the connection.
 */
export async function sendLog(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  texts: AsyncGenerator<string, void, undefined>,
): Promise<FastifyReply> {
  // The body of an answer to HEAD would be read to its end, and thrown away.
  if (reply.request.method === "HEAD") return reply.headers({ ...headers }).send(Readable.from([]));
  let start = "";
  while (start.length < SMALL_CHARACTERS) {
    const { value, done } = await texts.next();
    // Fastify would add a charset to the type of a text. What an error is answered with has headers of its own.
    if (done === true) return reply.headers({ ...headers }).send(Buffer.from(start));
    start += value;
  }
  reply.headers({ ...headers });
  return reply.send(Readable.from(continued(start, texts), { objectMode: false }));
}

/**
 * The same texts, the first of them read already. From then on the end of iteration reaches the source: a generator that was never asked for
 * anything would end without closing what it reads from.
 */
function continued(
  start: string,
  texts: AsyncGenerator<string, void, undefined>,
): AsyncIterable<string> {
  let isStarted = false;
  const iterator: AsyncIterator<string, void, undefined> = {
    next: () => {
      if (isStarted) return texts.next();
      isStarted = true;
      return Promise.resolve({ value: start, done: false });
    },
    return: () => texts.return(),
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
