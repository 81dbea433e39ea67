export interface BackoffRange {
  /** Bound of the first delay. */
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Delay before the next try after `failures` failed ones: anything up to a bound that doubles each time.
 * Full jitter, so that a fleet that lost its coordinator does not come back at once. `random` is in [0, 1).
 */
export function reconnectDelayMs(failures: number, range: BackoffRange, random: number): number {
  const bound = Math.min(range.maxMs, range.minMs * 2 ** Math.min(failures, 30));
  return Math.round(bound * random);
}
