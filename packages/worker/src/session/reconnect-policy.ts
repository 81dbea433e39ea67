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

/** Bound of the delay of a worker whose place others take again and again. */
const MAX_SUPERSEDED_MS = 3_600_000;

/**
 * Delay after another connection with the same worker id took over for the `times`th time in a row. Each time that two machines
 * share an id and take the place from each other, what the other one runs is lost: so they do it ever more rarely, down to once an hour.
 */
export function supersededDelayMs(times: number, range: BackoffRange, random: number): number {
  const bound = Math.min(MAX_SUPERSEDED_MS, range.maxMs * 2 ** Math.min(times, 30));
  return Math.round(bound * (1 + random) * 0.5);
}
