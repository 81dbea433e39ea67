import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Larger files are read in parts, while others have their turn. */
const MAX_FILE_BYTES = 256 * 1024;
/** What takes longer was not in the page cache. */
const PROMPT_MS = 0.5;
/** Slow reads may hold others up for so long in all, and then for this share of the time. */
const MAX_DEBT_MS = 20;
const SLOW_SHARE = 0.02;

/**
 * Reads small files, and parts of large ones, at once, on this thread: a call of the system costs a fraction of what it costs to hand it to another thread, in whose core's cache the bytes then lie. Where the
 * disk is slow it soon stops to, so that nobody is held up by it.
 */
export class PromptReads {
  readonly #now: () => number;
  /** Milliseconds that slow reads took, less what was forgiven since. */
  #debtMs = 0;
  #countedAt: number;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#countedAt = now();
  }

  /** The first `size` bytes of a file, or all of it; null when it is not to be read like this: large, missing, shorter, or slow to come. */
  read(file: string, size?: number): Buffer | null {
    return (size ?? 0) > MAX_FILE_BYTES ? null : this.#promptly(() => readStart(file, size));
  }

  /** Reads into the buffer what an open file has from `position` on. How many bytes these are; null when they are not to be read like this. */
  readPart(descriptor: number, buffer: Buffer, position: number): number | null {
    return this.#promptly(() => readSync(descriptor, buffer, 0, buffer.length, position));
  }

  #promptly<T>(read: () => T): T | null {
    const start = this.#now();
    if (this.#debtAt(start) >= MAX_DEBT_MS) return null;
    try {
      return read();
    } catch {
      // Whoever reads it the other way meets the same failure, and says what it is.
      return null;
    } finally {
      const tookMs = this.#now() - start;
      if (tookMs > PROMPT_MS) this.#debtMs += tookMs;
    }
  }

  #debtAt(now: number): number {
    this.#debtMs = Math.max(0, this.#debtMs - (now - this.#countedAt) * SLOW_SHARE);
    this.#countedAt = now;
    return this.#debtMs;
  }
}

function readStart(file: string, wanted: number | undefined): Buffer | null {
  const descriptor = openSync(file, "r");
  try {
    const size = wanted ?? fstatSync(descriptor).size;
    if (size > MAX_FILE_BYTES) return null;
    const bytes = Buffer.allocUnsafeSlow(size);
    return readSync(descriptor, bytes, 0, size, 0) === size ? bytes : null;
  } finally {
    closeSync(descriptor);
  }
}
