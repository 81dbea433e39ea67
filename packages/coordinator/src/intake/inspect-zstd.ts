import { availableParallelism } from "node:os";
import { Gate } from "./gate.ts";
import { inspectInThreads } from "./inspect-in-threads.ts";
import { NarInspection, type InspectedNar } from "./nar-inspection.ts";
import { Turns } from "./turns.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** A file from here on is looked at by threads: less takes hardly longer than to start them. */
const LARGE_BYTES = 4 * 1024 * 1024;
/** More threads would only take time from each other; further files are looked at where they are read. */
const threadGate = new Gate(availableParallelism());

/**
 * What the NAR in a zstd file is. However much the file would expand to, no more than a few pieces of it are held. Throws UnprocessableError for a file that is damaged, ends too
 * early or goes on behind its end, and what NarInspection throws.
 */
export async function inspectZstd(
  source: AsyncIterable<Uint8Array>,
  maxNarBytes: number,
): Promise<InspectedNar> {
  const { chunks, isLarge } = await lookAhead(source);
  if (isLarge && threadGate.hasRoomFor(null)) {
    using _place = await threadGate.enter();
    return await inspectInThreads(chunks, maxNarBytes);
  }
  using decoder = ZstdDecoder.borrow();
  const inspection = new NarInspection(maxNarBytes);
  const turns = new Turns();
  for await (const chunk of chunks) {
    for (const piece of decoder.decode(chunk)) {
      inspection.write(piece);
      await turns.giveWay();
    }
  }
  decoder.end();
  return inspection.finish();
}

/** Reads as much as it takes to know whether the file is large. */
async function lookAhead(
  source: AsyncIterable<Uint8Array>,
): Promise<{ chunks: AsyncIterable<Uint8Array>; isLarge: boolean }> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < LARGE_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head.push(Buffer.from(next.value));
    bytes += next.value.length;
  }
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* head.splice(0);
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { chunks: chunks(), isLarge: bytes >= LARGE_BYTES };
}
