/** What the newest attempt used. null is unknown, never zero. Times are milliseconds, sizes bytes. */
export interface UsageView {
  /** `exact`: kernel counters of the build's own group; `sampled`: looked at from time to time; `none`: not measured. */
  readonly cpuQuality: Quality;
  readonly memoryQuality: Quality;
  readonly cpuUserMs: number | null;
  readonly cpuSystemMs: number | null;
  readonly coresAverage: number | null;
  readonly coresLimit: number | null;
  readonly memoryPeakBytes: number | null;
  readonly memoryAverageBytes: number | null;
  readonly memoryLimitBytes: number | null;
  readonly oomKills: number | null;
  readonly ioReadBytes: number | null;
  readonly ioWriteBytes: number | null;
  readonly storagePeakBytes: number | null;
  readonly receivedBytes: number | null;
  readonly sentBytes: number | null;
  readonly processesPeak: number | null;
  /** Time in which at least one process waited for CPU, for memory, for I/O. */
  readonly cpuPressureMs: number | null;
  readonly memoryPressureMs: number | null;
  readonly ioPressureMs: number | null;
  readonly series: readonly UsageSample[];
}

export type Quality = "exact" | "sampled" | "none";

/** Milliseconds since the start, CPU so far, memory at that moment. */
export interface UsageSample {
  readonly atMs: number;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}
