/** What an attempt had that ran out of memory. Bytes. */
export interface MemoryHad {
  /** Limit that was enforced; null for none. */
  readonly limitBytes: number | null;
  /** Most that was measured; null when nothing was. */
  readonly peakBytes: number | null;
  /** Part of its worker's memory that was meant for it: all, divided by how many builds run at once. */
  readonly shareBytes: number;
}

/**
 * Memory for the attempt after one that ran out of it: the double, up to what the largest worker has and the derivation allows.
 * Null when that is no more than it had.
 */
export function moreMemory(had: MemoryHad, largestBytes: number): number | null {
  const hadBytes = had.limitBytes ?? Math.max(had.peakBytes ?? 0, had.shareBytes);
  const nextBytes = Math.min(2 * hadBytes, largestBytes);
  return nextBytes > hadBytes ? Math.floor(nextBytes) : null;
}
