import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";

/**
 * Answers with texts as they are read, at the pace of the client; reading stops when the client goes away. An error before the first text is
 * thrown, so that it is answered like any other; a later one breaks the connection.
 */
export async function sendLog(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  texts: AsyncGenerator<string, void, undefined>,
): Promise<FastifyReply> {
  // The body of an answer to HEAD would be read to its end, and thrown away.
  const body = reply.request.method === "HEAD" ? [] : await started(texts);
  return reply.headers({ ...headers }).send(Readable.from(body, { objectMode: false }));
}

/**
 * The same texts, the first of them read already. From then on the end of iteration reaches the source: a generator that was never asked for
 * anything would end without closing what it reads from.
 */
async function started(
  texts: AsyncGenerator<string, void, undefined>,
): Promise<AsyncIterable<string>> {
  let first: IteratorResult<string, void> | null = await texts.next();
  const iterator: AsyncIterator<string, void, undefined> = {
    next: () => {
      if (first === null) return texts.next();
      const result = first;
      first = null;
      return Promise.resolve(result);
    },
    return: () => texts.return(),
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
