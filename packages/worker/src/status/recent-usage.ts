import type { UsageRecord, UsageSample } from "@gradient/protocol";
import type { JobStatus } from "./status.ts";

/** CPU use is averaged over this time, as two samples may lie very close. */
const WINDOW_MS = 2000;

/** What an attempt uses now, out of the record of what it used so far. */
export function recentUsage(usage: UsageRecord): NonNullable<JobStatus["usage"]> {
  const { series, cpuUserMs, cpuSystemMs, memoryPeakBytes } = usage;
  const isUnknown = cpuUserMs === null && cpuSystemMs === null;
  return {
    cpuMs: isUnknown ? null : (cpuUserMs ?? 0) + (cpuSystemMs ?? 0),
    cores: recentCores(series),
    memoryBytes: series.at(-1)?.memoryBytes ?? null,
    memoryPeakBytes,
  };
}

function recentCores(series: readonly UsageSample[]): number | null {
  const last = series.at(-1);
  if (last === undefined || last.cpuMs === null) return null;
  const from = series.findLast(({ atMs }) => atMs <= last.atMs - WINDOW_MS) ?? {
    atMs: 0,
    cpuMs: 0,
  };
  const elapsedMs = last.atMs - from.atMs;
  if (elapsedMs <= 0 || from.cpuMs === null) return null;
  return Math.max(0, last.cpuMs - from.cpuMs) / elapsedMs;
}
