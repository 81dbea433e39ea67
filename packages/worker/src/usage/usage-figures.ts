import type { UsageQuality, UsageRecord, UsageSample } from "@gradient/protocol";
import type { FinalFigures } from "./group-files.ts";
import type { CpuTime } from "./kernel-files.ts";

/** What a meter knows, before it is put into the protocol's shape. */
export interface UsageFigures {
  wallMs: number;
  cpu: CpuTime | null;
  cpuQuality: UsageQuality;
  memoryPeakBytes: number | null;
  memoryQuality: UsageQuality;
  memoryLimitBytes: number | null;
  final: FinalFigures;
  source: string;
  series: UsageSample[];
}

export const NO_FINAL_FIGURES: FinalFigures = {
  memoryRawPeakBytes: null,
  oomKills: null,
  cpuThrottledMs: null,
  io: null,
  processesPeak: null,
};

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
    memoryLimitBytes: figures.memoryLimitBytes,
    oomKills: final.oomKills,
    cpuThrottledMs: final.cpuThrottledMs,
    ioReadBytes: final.io?.readBytes ?? null,
    ioWriteBytes: final.io?.writeBytes ?? null,
    processesPeak: final.processesPeak,
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
    memoryLimitBytes: null,
    final: NO_FINAL_FIGURES,
    source: "none",
    series: [],
  });
}

/** To a thousandth: microseconds, where the unit is milliseconds. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
