import type { Readable } from "node:stream";
import { MessageChannel, type MessagePort } from "node:worker_threads";

/** Less is soon gone by itself. */
const MIN_BYTES = 16 * 1024;

/**
 * The body of a request in pieces that hold until the next one is asked for: their memory is given back then. Left to the garbage collection, V8 would count it against the
 * whole heap and look all of that through several times for each GB, which costs more than to hash it.
 */
export async function* bodyPieces(body: Readable): AsyncGenerator<Buffer, void, undefined> {
  const source: AsyncIterable<Buffer> = body;
  let nowhere: MessagePort | null = null;
  for await (const piece of source) {
    yield piece;
    const buffer = ownMemoryOf(piece);
    if (buffer === null) continue;
    nowhere ??= closedPort();
    nowhere.postMessage(null, [buffer]);
  }
}

/** Null when others may have a part of it, and when it is small. */
function ownMemoryOf({ buffer, byteLength }: Buffer): ArrayBuffer | null {
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isOwn && byteLength >= MIN_BYTES ? buffer : null;
}

/** What is handed over to a port that is closed is gone. */
function closedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
