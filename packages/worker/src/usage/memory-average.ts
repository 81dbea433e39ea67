/** Mean of samples that come at uneven times: each counts for the time until the next. */
export class MemoryAverage {
  #last: { atMs: number; bytes: number } | null = null;
  #elapsedMs = 0;
  #product = 0;

  /** Times in milliseconds from any beginning, in their order. */
  push(atMs: number, bytes: number): void {
    if (this.#last !== null) {
      const sinceMs = Math.max(0, atMs - this.#last.atMs);
      this.#elapsedMs += sinceMs;
      this.#product += sinceMs * this.#last.bytes;
    }
    this.#last = { atMs, bytes };
  }

  /** null without a sample; the only one when no time has passed. */
  bytes(): number | null {
    if (this.#last === null) return null;
    return this.#elapsedMs === 0 ? this.#last.bytes : Math.round(this.#product / this.#elapsedMs);
  }
}
