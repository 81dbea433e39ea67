import type { UsagePhases, UsageRecord } from "@gradient/protocol";
import { performance } from "node:perf_hooks";
import type { Traffic } from "../transfer/client.ts";
import { coreScore } from "../usage/core-score.ts";
import { unmeasured } from "../usage/usage-figures.ts";

export type JobPhase = "prepare" | "prefetch" | "queue" | "run" | "store";

/** What a job spends beside its measured work: bytes that it moved, and where its time went. Made when the job begins. */
export class JobAccount {
  readonly traffic: Traffic = { receivedBytes: 0, sentBytes: 0 };
  #startedAt = performance.now();
  readonly #spentMs = new Map<JobPhase, number>();
  #phase: JobPhase = "prepare";
  #phaseAt = this.#startedAt;
  #outputNarBytes: number | null = null;

  /** Ends one phase and begins another. A phase may come again. */
  enter(phase: JobPhase): void {
    const now = performance.now();
    this.#spentMs.set(this.#phase, this.#spent(this.#phase) + now - this.#phaseAt);
    this.#phase = phase;
    this.#phaseAt = now;
  }

  /** What was spent before does not count: the job only got ready for an offer. */
  restart(): void {
    this.#startedAt = performance.now();
    this.#phaseAt = this.#startedAt;
    this.#spentMs.clear();
  }

  /** Something was made, and its size is known. */
  addOutput(narSize: number): void {
    this.#outputNarBytes = (this.#outputNarBytes ?? 0) + narSize;
  }

  /** The whole record, when the job ends. `measured` is null when it ended before there was something to measure. */
  complete(measured: UsageRecord | null): UsageRecord {
    this.enter(this.#phase);
    const record = measured ?? unmeasured(performance.now() - this.#startedAt);
    const made = this.#outputNarBytes;
    return {
      ...record,
      // Looks come from time to time: what there is at the end was there for certain.
      outputPeakBytes: atLeast(record.outputPeakBytes, made),
      storagePeakBytes: atLeast(record.storagePeakBytes, made),
      ...this.traffic,
      outputNarBytes: made,
      phases: this.#phases(),
      coreScore: coreScore(),
    };
  }

  #phases(): UsagePhases {
    const spent = (phase: JobPhase): number | null => {
      const ms = this.#spentMs.get(phase);
      return ms === undefined ? null : Math.round(ms);
    };
    return {
      prepareMs: spent("prepare"),
      prefetchMs: spent("prefetch"),
      queueMs: spent("queue"),
      runMs: spent("run"),
      storeMs: spent("store"),
    };
  }

  #spent(phase: JobPhase): number {
    return this.#spentMs.get(phase) ?? 0;
  }
}

function atLeast(seen: number | null, floor: number | null): number | null {
  return floor === null ? seen : Math.max(seen ?? 0, floor);
}
