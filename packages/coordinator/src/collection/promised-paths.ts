import type { Clock } from "../clock.ts";

/** Longer than any evaluation takes from the question whether something is here until it needs it. */
const KEPT_MS = 24 * 3600 * 1000;

/**
 * Paths of which somebody was told that they are here, and relies on it: a worker that does not upload them, an evaluation that does not build them. Nothing else may need them
 * until then. Two generations: what was promised is remembered for one day at least, and for two at most.
 */
export class PromisedPaths {
  readonly #clock: Pick<Clock, "now">;
  #young = new Set<string>();
  #old = new Set<string>();
  #turnedAt: number;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
    this.#turnedAt = clock.now();
  }

  /** Base names. */
  add(bases: Iterable<string>): void {
    this.#turn();
    for (const base of bases) this.#young.add(base);
  }

  /** `base`: base name of the path. */
  has(base: string): boolean {
    this.#turn();
    return this.#young.has(base) || this.#old.has(base);
  }

  #turn(): void {
    const now = this.#clock.now();
    if (now - this.#turnedAt < KEPT_MS) return;
    this.#old = now - this.#turnedAt < 2 * KEPT_MS ? this.#young : new Set();
    this.#young = new Set();
    this.#turnedAt = now;
  }
}
