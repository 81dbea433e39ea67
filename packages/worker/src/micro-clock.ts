import { performance } from "node:perf_hooks";

/**
 * Wall-clock time in microseconds. Node tells whole milliseconds only: what lies between is taken from the monotonic clock, which is brought back into
 * the wall clock's millisecond where it has left it. So `now() / 1000`, rounded down, is `Date.now()`.
 */
export class MicroClock {
  readonly #wallMs: () => number;
  readonly #monotonicMs: () => number;
  #offsetUs: number;

  constructor(wallMs: () => number = Date.now, monotonicMs = () => performance.now()) {
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    this.#offsetUs = wallMs() * 1000 - toUs(monotonicMs());
  }

  /** Whole microseconds from some moment on, by the monotonic clock: what lies between two of them took so long, whatever the wall clock did. */
  elapsed(): number {
    return toUs(this.#monotonicMs());
  }

  /** Whole microseconds since the epoch. */
  now(): number {
    const first = this.#wallMs() * 1000;
    const own = toUs(this.#monotonicMs()) + this.#offsetUs;
    const us = Math.min(Math.max(own, first), first + 999);
    this.#offsetUs += us - own;
    return us;
  }
}

function toUs(ms: number): number {
  return Math.floor(ms * 1000);
}
