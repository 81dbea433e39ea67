import type { Draft } from "../storage/drafts.ts";
import { alignedBlock } from "../storage/aligned-block.ts";
import { Spare } from "./spare.ts";

const BLOCK_BYTES = 512 * 1024;

const blocks = new Spare(() => alignedBlock(BLOCK_BYTES), 4);

/**
 * Writes to a draft in blocks: a socket gives 64 KiB at a time, and each write wakes a thread. While one block is written the next one is filled. Call `flush` at the end: before,
 * a write may have failed unnoticed.
 */
export class GatheredWrites {
  readonly #draft: Pick<Draft, "write">;
  #block: Uint8Array | null = null;
  #other: Uint8Array | null = null;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(draft: Pick<Draft, "write">) {
    this.#draft = draft;
  }

  /** The bytes are the caller's again when it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#block ??= blocks.take();
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) await this.#begin();
    }
  }

  /** Resolves when all of it is written; rejects with what any of the writes failed with. */
  async flush(): Promise<void> {
    await this.#begin();
    await this.#writing;
    for (const block of [this.#block, this.#other]) if (block !== null) blocks.giveBack(block);
    this.#block = null;
    this.#other = null;
  }

  /** Waits for the block before, and begins to write this one. */
  async #begin(): Promise<void> {
    await this.#writing;
    const block = this.#block;
    if (this.#filled === 0 || block === null) return;
    this.#writing = this.#draft.write(block.subarray(0, this.#filled));
    // Whoever writes or flushes next is told.
    this.#writing.catch(() => undefined);
    this.#block = this.#other;
    this.#other = block;
    this.#filled = 0;
  }
}
