import type { Readable } from "node:stream";
import { Rest } from "../rest.ts";

/** The first ones are passed on as they come: somebody may wait for them. */
const PROMPT_CHUNKS = 20;
const REST_MS = 20;
/** Whoever writes so much would be held up. */
const LARGE_BYTES = 16 * 1024;

/**
 * Chunks of a stream that is read on demand. A program that writes piece by piece would wake us for each of them, and we would take
 * its core from it; so what it writes within some milliseconds is read at once.
 */
export class PacedChunks {
  readonly #stream: AsyncIterable<Uint8Array>;
  readonly #restMs: number;
  readonly #rest = new Rest();
  #isHurried = false;

  constructor(stream: Readable, restMs = REST_MS) {
    this.#stream = stream;
    this.#restMs = restMs;
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    let chunks = 0;
    for await (const chunk of this.#stream) {
      yield chunk;
      chunks += 1;
      const isPrompt = this.#isHurried || chunks <= PROMPT_CHUNKS || chunk.length >= LARGE_BYTES;
      if (!isPrompt) await this.#rest.take(this.#restMs);
    }
  }

  /** What comes from now on is read as it comes. */
  hurry(): void {
    this.#isHurried = true;
    this.#rest.end();
  }
}
