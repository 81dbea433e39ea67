import type { UsageSample } from "@gradient/protocol";

const MAX_POINTS = 300;

/** Points at even distances, never more than 300: when full, every second point goes and the distance doubles. */
export class UsageSeries {
  #points: UsageSample[] = [];
  #distanceMs = 0;
  readonly #firstDistanceMs: number;

  /** `intervalMs` is the distance of the samples that will come. */
  constructor(intervalMs: number) {
    this.#firstDistanceMs = intervalMs;
  }

  /** In order of time. A point that comes too soon after the last is left out. */
  push(point: UsageSample): void {
    const last = this.#points.at(-1);
    if (last !== undefined && point.atMs - last.atMs < this.#distanceMs) return;
    this.#points.push(point);
    if (this.#points.length < MAX_POINTS) return;
    this.#points = this.#points.filter((_point, index) => index % 2 === 0);
    // A little less than the true distance: timers are late by turns, and a point must not be lost for a millisecond.
    this.#distanceMs = this.#distanceMs === 0 ? 1.5 * this.#firstDistanceMs : 2 * this.#distanceMs;
  }

  points(): UsageSample[] {
    return [...this.#points];
  }
}
