/** How often one may come: at once up to `burst` times, then once in `refillMs` milliseconds. */
export interface Rate {
  refillMs: number;
  burst: number;
}

/** Buckets of one generation; there are two. A bucket has about 100 bytes. */
const GENERATION_SIZE = 50_000;

/**
 * One token bucket for each key. What is kept of a bucket is one number, the time at which it is full again; a full bucket need not be kept.
 *
 * Buckets lie in two generations: what was not used while a whole bucket fills up is dropped with the old one. When more keys come in that time
 * than a generation holds, the oldest are forgotten early, so memory stays bounded.
 */
export class TokenBuckets {
  readonly #refillMs: number;
  readonly #capacityMs: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #rotateAt = 0;

  constructor(rate: Rate) {
    this.#refillMs = rate.refillMs;
    this.#capacityMs = rate.refillMs * rate.burst;
  }

  /** Takes a token and returns 0, or takes none and returns the milliseconds until there is one. `now` in milliseconds. */
  take(key: string, now: number): number {
    this.#rotate(now);
    const kept = this.#young.get(key) ?? this.#old.get(key) ?? 0;
    // A time that no use can have led to was written before the clock was set back.
    const fullAt = kept - now > this.#capacityMs ? now : Math.max(kept, now);
    const missingMs = fullAt + this.#refillMs - now - this.#capacityMs;
    if (missingMs > 0) return missingMs;
    this.#young.set(key, fullAt + this.#refillMs);
    return 0;
  }

  #rotate(now: number): void {
    const isDue = now >= this.#rotateAt || this.#rotateAt - now > this.#capacityMs;
    if (!isDue && this.#young.size < GENERATION_SIZE) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#rotateAt = now + this.#capacityMs;
  }
}
