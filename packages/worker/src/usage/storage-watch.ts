import type { UsageQuality } from "@gradient/protocol";
import { performance } from "node:perf_hooks";
import { BuildScratch } from "./build-scratch.ts";

/** Most that a build held on disk. */
export interface StoragePeaks {
  storageQuality: UsageQuality;
  buildDirectoryPeakBytes: number | null;
  outputPeakBytes: number | null;
  storagePeakBytes: number | null;
}

/** Shorter builds are not looked at: their outputs' size says enough. */
const FIRST_LOOK_MS = 250;
const MIN_INTERVAL_MS = 250;
const MAX_INTERVAL_MS = 30_000;
/** A long build is looked at less often: after this share of the time that it has run. */
const AGE_SHARE = 0.05;
const MAX_AGE_INTERVAL_MS = 5000;
/** Looks may cost this share of one core, so a large tree is looked at less often. */
const COST_SHARE = 0.005;

/**
 * Looks from time to time at what a build holds on disk: its build directory, and its outputs while they are made. Found
 * by the environment that Nix gives to builders, through /proc: so it works with every version of Nix, in and out of a
 * sandbox, with our own children and the daemon's, and with whatever build directory the operator has set.
 */
export class StorageWatch implements Disposable {
  readonly #procDirectory: string;
  readonly #pids: () => readonly number[];
  readonly #startedAt = performance.now();
  /** Ends a look. Most builds have none, and aborting makes an error. */
  #stop: AbortController | null = null;
  #timer: NodeJS.Timeout;
  #scratch: BuildScratch | null = null;
  #peaks: StoragePeaks = {
    storageQuality: "none",
    buildDirectoryPeakBytes: null,
    outputPeakBytes: null,
    storagePeakBytes: null,
  };

  /** `pids` are processes of which one may be the build's. */
  constructor(options: { procDirectory: string; pids: () => readonly number[] }) {
    this.#procDirectory = options.procDirectory;
    this.#pids = options.pids;
    this.#timer = setTimeout(() => void this.#look(), FIRST_LOOK_MS).unref();
  }

  peaks(): StoragePeaks {
    return this.#peaks;
  }

  [Symbol.dispose](): void {
    this.#stop?.abort();
    clearTimeout(this.#timer);
    this.#scratch?.[Symbol.dispose]();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const startedAt = performance.now();
    this.#scratch ??= BuildScratch.find(this.#procDirectory, this.#pids());
    let costMs = performance.now() - startedAt;
    if (this.#scratch !== null) {
      this.#stop ??= new AbortController();
      const { signal } = this.#stop;
      const size = await this.#scratch.measure(signal);
      if (signal.aborted) return;
      costMs = size.costMs;
      this.#take(size);
    }
    this.#timer = setTimeout(() => void this.#look(), this.#waitMs(costMs)).unref();
  }

  #waitMs(costMs: number): number {
    const ageMs = performance.now() - this.#startedAt;
    const byAgeMs = Math.min(MAX_AGE_INTERVAL_MS, ageMs * AGE_SHARE);
    return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, byAgeMs, costMs / COST_SHARE));
  }

  #take({ directoryBytes, outputBytes }: { directoryBytes: number; outputBytes: number }): void {
    const peaks = this.#peaks;
    this.#peaks = {
      storageQuality: "sampled",
      buildDirectoryPeakBytes: Math.max(peaks.buildDirectoryPeakBytes ?? 0, directoryBytes),
      outputPeakBytes: Math.max(peaks.outputPeakBytes ?? 0, outputBytes),
      storagePeakBytes: Math.max(peaks.storagePeakBytes ?? 0, directoryBytes + outputBytes),
    };
  }
}
