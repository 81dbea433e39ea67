import { setTimeout as sleep } from "node:timers/promises";

/** Bytes of files that are read in a second: the disk belongs to those who fetch. */
const MAX_BYTES_PER_SECOND = 64 * 1024 * 1024;
/** Shorter waits are made up for later. */
const MIN_WAIT_MS = 20;

/** Keeps to a rate. */
export class Pace {
  readonly #startedAt = performance.now();
  #bytes = 0;

  /** Waits as long as so many bytes more may take. Rejects when the signal fires meanwhile. */
  async after(bytes: number, signal: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    const dueMs = (this.#bytes / MAX_BYTES_PER_SECOND) * 1000;
    const waitMs = dueMs - (performance.now() - this.#startedAt);
    if (waitMs >= MIN_WAIT_MS) await sleep(waitMs, undefined, { signal });
  }
}
