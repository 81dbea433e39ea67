import type { UsageQuality, UsageRecord, UsageSample } from "@gradient/protocol";
import type { FinalFigures } from "./group-files.ts";
import type { CpuTime } from "./kernel-files.ts";
import type { StoragePeaks } from "./storage-watch.ts";

/** What a meter knows, before it is put into the protocol's shape. */
export interface UsageFigures {
  wallMs: number;
  cpu: CpuTime | null;
  cpuQuality: UsageQuality;
  memoryPeakBytes: number | null;
  memoryQuality: UsageQuality;
  memoryAverageBytes: number | null;
  memoryLimitBytes: number | null;
  coresLimit: number | null;
  final: FinalFigures;
  source: string;
  series: UsageSample[];
  storage: StoragePeaks;
}

export const NO_FINAL_FIGURES: FinalFigures = {
  memoryRawPeakBytes: null,
  oomKills: null,
  cpuThrottledMs: null,
  io: null,
  processesPeak: null,
  pressure: { cpuMs: null, memoryMs: null, ioMs: null },
};

export const NO_STORAGE: StoragePeaks = {
  storageQuality: "none",
  buildDirectoryPeakBytes: null,
  outputPeakBytes: null,
  storagePeakBytes: null,
};

/** What the jobs add to the figures of a meter: transfers, where the time went, and how fast a core is. */
const NOT_METERED = {
  receivedBytes: null,
  outputNarBytes: null,
  sentBytes: null,
  phases: null,
  coreScore: null,
} as const;

/** Times to the microsecond. What no meter sees, such as transfers, is null: the job adds it. */
export function usageRecordOf(figures: UsageFigures): UsageRecord {
  const { cpu, final, wallMs } = figures;
  const total = cpu === null ? null : cpu.userMs + cpu.systemMs;
  return {
    cpuQuality: figures.cpuQuality,
    memoryQuality: figures.memoryQuality,
    wallMs: round(wallMs),
    cpuUserMs: cpu === null ? null : round(cpu.userMs),
    cpuSystemMs: cpu === null ? null : round(cpu.systemMs),
    coresAverage: total === null || wallMs <= 0 ? null : round(total / wallMs),
    memoryPeakBytes: figures.memoryPeakBytes,
    memoryRawPeakBytes: final.memoryRawPeakBytes,
    memoryAverageBytes: figures.memoryAverageBytes,
    memoryLimitBytes: figures.memoryLimitBytes,
    coresLimit: figures.coresLimit,
    oomKills: final.oomKills,
    cpuThrottledMs: final.cpuThrottledMs,
    ioReadBytes: final.io?.readBytes ?? null,
    ioWriteBytes: final.io?.writeBytes ?? null,
    processesPeak: final.processesPeak,
    cpuPressureMs: final.pressure.cpuMs,
    memoryPressureMs: final.pressure.memoryMs,
    ioPressureMs: final.pressure.ioMs,
    ...figures.storage,
    ...NOT_METERED,
    source: figures.source,
    series: figures.series,
  };
}

/** A record that says nothing but how long it took. */
export function unmeasured(wallMs: number): UsageRecord {
  return usageRecordOf({
    wallMs,
    cpu: null,
    cpuQuality: "none",
    memoryPeakBytes: null,
    memoryQuality: "none",
    memoryAverageBytes: null,
    memoryLimitBytes: null,
    coresLimit: null,
    final: NO_FINAL_FIGURES,
    source: "none",
    series: [],
    storage: NO_STORAGE,
  });
}

/** To a thousandth: microseconds, where the unit is milliseconds. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
