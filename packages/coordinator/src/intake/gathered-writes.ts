import type { Draft } from "../storage/drafts.ts";

const BLOCK_BYTES = 512 * 1024;

/** Writes to a draft in blocks: a socket gives 64 KiB at a time, and each write wakes a thread. Call `flush` at the end. */
export class GatheredWrites {
  readonly #draft: Pick<Draft, "write">;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #filled = 0;

  constructor(draft: Pick<Draft, "write">) {
    this.#draft = draft;
  }

  /** The bytes are the caller's again when it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) await this.flush();
    }
  }

  async flush(): Promise<void> {
    const filled = this.#filled;
    this.#filled = 0;
    if (filled > 0) await this.#draft.write(this.#block.subarray(0, filled));
  }
}
