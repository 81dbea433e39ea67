// CommonJS: Node finds no named exports in it.
import zstd from "zstd-napi/binding.js";
import { UnprocessableError } from "../errors.ts";

/** Decompressed bytes come in pieces of at most this size, whatever the compressed bytes say. */
const OUTPUT_BYTES = 128 * 1024;

/**
 * Streaming zstd decompression with bounded memory: the caller takes each piece before the next one is made, and can stop at any of them.
 * A piece is a view that the next one overwrites.
 */
export class ZstdDecoder {
  readonly #context = new zstd.DCtx();
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  /** Zero between two frames. */
  #expected = 0;

  *decode(input: Uint8Array): Generator<Buffer, void, undefined> {
    let rest = input;
    for (;;) {
      const [expected, produced, consumed] = this.#step(rest);
      rest = rest.subarray(consumed);
      this.#expected = expected;
      if (produced > 0) yield this.#output.subarray(0, produced);
      // A full output may hide more that is already decoded, unless the frame is complete.
      if (rest.length === 0 && (produced < OUTPUT_BYTES || expected === 0)) return;
    }
  }

  /** Throws UnprocessableError when the last frame is not complete. */
  end(): void {
    if (this.#expected !== 0)
      throw new UnprocessableError("the zstd data ends too early", { code: "bad_zstd" });
  }

  #step(input: Uint8Array): [number, number, number] {
    try {
      return this.#context.decompressStream(this.#output, input);
    } catch (cause) {
      throw new UnprocessableError("the data is not zstd, or it is damaged", {
        code: "bad_zstd",
        cause,
      });
    }
  }
}
