import type { UsageQuality } from "@gradient/protocol";
import type { MemoryUse } from "./kernel-files.ts";

/** Fewer samples than this while a build ran say nothing about its peak. */
const ENOUGH_SAMPLES = 3;
/** The kernel's peak proves a sampled one when it is at most this much larger. */
const PROVEN_RATIO = 1.1;

/**
 * Finds the most memory that was needed at once: anonymous, shared and kernel memory, without page cache. The kernel has a
 * peak only with page cache, so the needed part is sampled.
 *
 * - Sampled at least three times: the largest sample. `exact` when the kernel's own peak is at most 10 % above it, as then
 *   nothing can have been missed; else `sampled`.
 * - Fewer samples (the build was shorter than they are apart): the kernel's peak less the page cache at the end, when that
 *   is more. It counts page cache that was already given back, so it is an upper estimate: `sampled`.
 */
export class MemoryPeak {
  #samples = 0;
  #neededBytes = 0;
  #cacheBytes = 0;

  /** One sample, in bytes. */
  push(use: MemoryUse): void {
    this.#samples += 1;
    this.#neededBytes = Math.max(this.#neededBytes, use.neededBytes);
    this.#cacheBytes = Math.max(this.#cacheBytes, use.cacheBytes);
  }

  /** `rawPeakBytes`: the kernel's own peak, null where it has none. `none` when nothing is known at all. */
  result(rawPeakBytes: number | null): { bytes: number | null; quality: UsageQuality } {
    if (this.#samples === 0) {
      return { bytes: rawPeakBytes, quality: rawPeakBytes === null ? "none" : "sampled" };
    }
    const estimate = (rawPeakBytes ?? 0) - this.#cacheBytes;
    const isEnough = this.#samples >= ENOUGH_SAMPLES;
    const bytes = isEnough ? this.#neededBytes : Math.max(this.#neededBytes, estimate);
    const isProven = rawPeakBytes !== null && rawPeakBytes <= this.#neededBytes * PROVEN_RATIO;
    return { bytes, quality: isProven ? "exact" : "sampled" };
  }
}
