// The streams of zstd-napi push everything that one input makes before they look at back-pressure; its binding does not.
import zstd from "zstd-napi/binding.js";
import { WorkerError } from "../errors.ts";

/**
 * Level 1 with long-distance matching over 32 MiB: the ratio of level 3 at one and a half times its speed (measured on NARs of
 * binaries: 94 against 62 MB for each second of CPU). Small inputs gain nothing from the long window.
 */
const LEVEL = 1;
const WINDOW_LOG = 25;
const CHUNK_BYTES = 256 * 1024;
/** From this size on a second thread compresses while this one reads. What it holds is a few jobs beside the window. */
const PARALLEL_BYTES = 4 * 1024 * 1024;
const JOB_BYTES = 4 * 1024 * 1024;

/** Streaming compressor of one frame after the other. Synchronous: a whole core while it runs, and another one for large inputs. */
export class FrameCompressor {
  readonly #single = makeContext();
  #parallel: zstd.CCtx | null = null;
  #context = this.#single;
  #chunk = Buffer.alloc(0);
  #used = 0;

  /**
   * Compresses exactly `size` bytes from `source` into one frame, in chunks that are the caller's to keep or to transfer.
   * The same bytes from a source of the same chunks become the same frame.
   * Throws what the source throws, and when it gives more or less than `size`.
   */
  *compress(source: Iterable<Uint8Array>, size: number): Generator<Buffer, void, undefined> {
    this.#context = size < PARALLEL_BYTES ? this.#single : (this.#parallel ??= makeParallel());
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
    this.#context.reset(zstd.ResetDirective.sessionOnly);
    this.#context.setPledgedSrcSize(size);
    let isComplete = false;
    try {
      yield* this.#frame(source);
      isComplete = true;
    } finally {
      // The library's own thread may still be at work on what was given up: it crashes when the context begins anew.
      if (!isComplete && this.#context === this.#parallel) this.#parallel = null;
    }
  }

  *#frame(source: Iterable<Uint8Array>): Generator<Buffer, void, undefined> {
    for (const input of source) {
      for (let left = input; left.length > 0;) {
        left = left.subarray(this.#step(left, zstd.EndDirective.continue).consumed);
        if (this.#used === CHUNK_BYTES) yield this.#take();
      }
    }
    for (let remaining = 1; remaining > 0;) {
      ({ remaining } = this.#step(Buffer.alloc(0), zstd.EndDirective.end));
      if (this.#used === CHUNK_BYTES) yield this.#take();
    }
    if (this.#used > 0) yield this.#take();
  }

  #step(input: Uint8Array, end: zstd.EndDirective): { remaining: number; consumed: number } {
    const room = this.#chunk.subarray(this.#used);
    const [remaining, produced, consumed] = this.#context.compressStream2(room, input, end);
    this.#used += produced;
    return { remaining, consumed };
  }

  #take(): Buffer {
    const full = this.#chunk.subarray(0, this.#used);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
    return full;
  }
}

function makeContext(): zstd.CCtx {
  const context = new zstd.CCtx();
  context.setParameter(zstd.CParameter.compressionLevel, LEVEL);
  context.setParameter(zstd.CParameter.windowLog, WINDOW_LOG);
  context.setParameter(zstd.CParameter.enableLongDistanceMatching, 1);
  return context;
}

function makeParallel(): zstd.CCtx {
  const context = makeContext();
  context.setParameter(zstd.CParameter.nbWorkers, 1);
  context.setParameter(zstd.CParameter.jobSize, JOB_BYTES);
  return context;
}

/**
 * Decompresses a stream of zstd frames as it comes. Whatever the ratio, it holds one chunk of 128 KiB and goes on when it is taken.
 * Throws for what is no zstd, and for a stream that ends inside a frame.
 */
export async function* decompressed(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  const context = new zstd.DCtx();
  let isInFrame = false;
  for await (const input of source) {
    let left = input;
    let hasMore = left.length > 0;
    while (hasMore) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES / 2);
      const [remaining, produced, consumed] = context.decompressStream(chunk, left);
      left = left.subarray(consumed);
      isInFrame = remaining !== 0;
      // A full chunk may have left something inside the decoder, unless the frame is complete.
      hasMore = left.length > 0 || (isInFrame && produced === chunk.length);
      if (produced > 0) yield chunk.subarray(0, produced);
    }
  }
  if (isInFrame) {
    throw new WorkerError("zstd-truncated", "compressed data ends in the middle of a frame", {
      isTransient: true,
    });
  }
}
