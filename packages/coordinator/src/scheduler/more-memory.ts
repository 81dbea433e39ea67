/** What an attempt had that ran out of memory. Bytes. */
export interface MemoryHad {
  /** Limit of an attempt that followed another for want of memory; null for others. */
  readonly exactBytes: number | null;
  /** Most that the derivation allows; null when it does not say. */
  readonly maxBytes: number | null;
  /** What was set aside for it. */
  readonly reservedBytes: number;
  /** Most that was measured; null when nothing was. */
  readonly peakBytes: number | null;
  /** Part of its worker's memory that was meant for it: all, divided by how many builds run at once. */
  readonly shareBytes: number;
}

/** Memory that was not enough. */
export function lackedMemory(had: MemoryHad): number {
  const { exactBytes, maxBytes, reservedBytes, peakBytes, shareBytes } = had;
  if (exactBytes !== null) return exactBytes;
  return Math.min(Math.max(reservedBytes, peakBytes ?? 0, shareBytes), maxBytes ?? Infinity);
}

/**
 * Memory for the attempt after one that ran out of it: the double, up to what the largest worker has and the derivation allows.
 * Null when that is no more than it had.
 */
export function moreMemory(had: MemoryHad, largestBytes: number): number | null {
  const lackedBytes = lackedMemory(had);
  const nextBytes = Math.min(2 * lackedBytes, largestBytes, had.maxBytes ?? Infinity);
  return nextBytes > lackedBytes ? Math.floor(nextBytes) : null;
}
