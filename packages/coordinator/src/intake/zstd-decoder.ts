// CommonJS: Node finds no named exports in it.
import zstd from "zstd-napi/binding.js";
import { UnprocessableError } from "../errors.ts";
import { Spare } from "./spare.ts";

/** Decompressed bytes come in pieces of at most this size, whatever the compressed bytes say. */
const OUTPUT_BYTES = 128 * 1024;

const decoders = new Spare(() => new ZstdDecoder(), 4);

/**
 * Streaming zstd decompression with bounded memory: the caller takes each piece before the next one is made, and can stop at any of them.
 * A piece is a view that the next one overwrites.
 */
export class ZstdDecoder implements Disposable {
  readonly #context = new zstd.DCtx();
  #output: Buffer | null = null;
  /** Zero between two frames, and not after damaged data. */
  #expected = 0;

  /** One that nobody else uses until it is disposed of. Neither it nor what it put out may be used afterwards. */
  static borrow(): ZstdDecoder {
    return decoders.take();
  }

  [Symbol.dispose](): void {
    // One that stopped within a frame would go on there.
    if (this.#expected === 0) decoders.giveBack(this);
  }

  /** What comes out of these bytes; the rest of a frame that they begin stays for the next ones. Throws for what is not zstd. */
  *decode(input: Uint8Array): Generator<Buffer, void, undefined> {
    this.#output ??= Buffer.allocUnsafeSlow(OUTPUT_BYTES);
    let rest = input;
    for (;;) {
      const { produced, consumed, isDone } = this.decodeInto(this.#output, rest);
      rest = rest.subarray(consumed);
      if (produced > 0) yield this.#output.subarray(0, produced);
      if (isDone) return;
    }
  }

  /** As much as fits. `isDone`: all of the input is consumed, and nothing more comes of it. */
  decodeInto(
    output: Uint8Array,
    input: Uint8Array,
  ): { produced: number; consumed: number; isDone: boolean } {
    const [expected, produced, consumed] = this.#step(output, input);
    this.#expected = expected;
    // A full output may hide more that is already decoded, unless the frame is complete.
    const isDone = consumed === input.length && (produced < output.length || expected === 0);
    return { produced, consumed, isDone };
  }

  /** Throws UnprocessableError when the last frame is not complete. */
  end(): void {
    if (this.#expected !== 0)
      throw new UnprocessableError("the zstd data ends too early", { code: "bad_zstd" });
  }

  #step(output: Uint8Array, input: Uint8Array): [number, number, number] {
    try {
      return this.#context.decompressStream(output, input);
    } catch (cause) {
      this.#expected = 1;
      throw new UnprocessableError("the data is not zstd, or it is damaged", {
        code: "bad_zstd",
        cause,
      });
    }
  }
}
