import { pipeline, Readable } from "node:stream";
import { promisify } from "node:util";
import { createGzip, gzip } from "node:zlib";
import type { FastifyReply } from "fastify";
import { acceptsGzip } from "../http/accepts-gzip.ts";

const packed = promisify<string, Buffer>(gzip);

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
  const { start, isWhole } = await beginningOf(texts);
  // What an error is answered with has headers of its own.
  reply.headers({ ...headers });
  // Fastify would add a charset to the type of a text.
  return reply.send(isWhole ? Buffer.from(start) : streamOf(start, texts));
}

/** The same, packed with gzip for clients that say that they can read that. */
export async function sendPackedLog(
  reply: FastifyReply,
  headers: Readonly<Record<string, string>>,
  texts: AsyncGenerator<string, void, undefined>,
): Promise<FastifyReply> {
  reply.header("vary", "accept-encoding");
  const { request } = reply;
  if (request.method === "HEAD" || !acceptsGzip(request)) return sendLog(reply, headers, texts);
  const { start, isWhole } = await beginningOf(texts);
  reply.headers({ ...headers, "content-encoding": "gzip" });
  if (isWhole) return reply.send(await packed(start));
  // An error of the one is an error of the other, which the reply hears of.
  return reply.send(pipeline(streamOf(start, texts), createGzip(), () => {}));
}

async function beginningOf(
  texts: AsyncGenerator<string, void, undefined>,
): Promise<{ start: string; isWhole: boolean }> {
  let start = "";
  while (start.length < SMALL_CHARACTERS) {
    const { value, done } = await texts.next();
    if (done === true) return { start, isWhole: true };
    start += value;
  }
  return { start, isWhole: false };
}

function streamOf(start: string, texts: AsyncGenerator<string, void, undefined>): Readable {
  return Readable.from(continued(start, texts), { objectMode: false });
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
