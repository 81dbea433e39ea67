// CommonJS: Node finds no named exports in it.
import zstd from "zstd-napi/binding.js";

const OUTPUT_BYTES = 128 * 1024;
/** What is compressed here came in another form: its sender waits, so speed goes before size. */
const LEVEL = 3;
const NOTHING = Buffer.alloc(0);

/** Streaming zstd compression with bounded memory. Pieces are views that the next one overwrites. */
export class ZstdEncoder {
  readonly #context = new zstd.CCtx();
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);

  constructor() {
    this.#context.setParameter(zstd.CParameter.compressionLevel, LEVEL);
  }

  /** What comes out so far, which may be nothing. `end` gives the rest. */
  *encode(input: Uint8Array): Generator<Buffer, void, undefined> {
    let rest = input;
    while (rest.length > 0) {
      const [, produced, consumed] = this.#context.compressStream2(
        this.#output,
        rest,
        zstd.EndDirective.continue,
      );
      rest = rest.subarray(consumed);
      if (produced > 0) yield this.#output.subarray(0, produced);
    }
  }

  /** The rest of the frame. */
  *end(): Generator<Buffer, void, undefined> {
    for (;;) {
      const [remaining, produced] = this.#context.compressStream2(
        this.#output,
        NOTHING,
        zstd.EndDirective.end,
      );
      if (produced > 0) yield this.#output.subarray(0, produced);
      if (remaining === 0) return;
    }
  }
}
