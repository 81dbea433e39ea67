import { formatBytes, formatCount, formatDuration } from "../text/quantities.ts";
import { fittingTableLines } from "../text/table.ts";
import { outcomeWord } from "./build-text.ts";
import { type BuildRecord, type RunReport, cpuMsOf } from "./report.ts";

/** A longer table would push everything else off the screen. The report has all. */
const MAX_ROWS = 40;
const HEAD = ["derivation", "status", "wall", "CPU", "memory", "output"];

/** Table of what was built, what took long first, and the sums. `columns` of a terminal, or as many as it takes. */
export function summaryLines(report: RunReport, columns = Number.POSITIVE_INFINITY): string[] {
  return [...buildTable(report.builds, columns), totalsOf(report)];
}

function buildTable(builds: readonly BuildRecord[], columns: number): string[] {
  if (builds.length === 0) return [];
  const shown = [...builds].toSorted(byInterest).slice(0, MAX_ROWS);
  const left = builds.length - shown.length;
  return [
    ...fittingTableLines([HEAD, ...shown.map(rowOf)], columns),
    ...(left === 0 ? [] : [`and ${left} more that were built in less time`]),
    "",
  ];
}

function byInterest(a: BuildRecord, b: BuildRecord): number {
  const rank = ({ outcome }: BuildRecord): number => (outcome === "built" ? 1 : 0);
  return rank(a) - rank(b) || b.usage.wallMs - a.usage.wallMs;
}

function rowOf(record: BuildRecord): string[] {
  const { usage, name, outputs } = record;
  return [
    name,
    outcomeWord(record),
    formatDuration(usage.wallMs),
    formatDuration(cpuMsOf(usage)),
    formatBytes(usage.memoryPeakBytes),
    formatBytes(outputs.length === 0 ? null : sizeOf(record)),
  ];
}

function totalsOf(report: RunReport): string {
  const { builds, jobs, dependencyFailed, substituted } = report;
  const built = builds.filter(({ outcome }) => outcome === "built");
  const cancelled = builds.filter(({ outcome }) => outcome === "cancelled");
  const failed = builds.length - built.length - cancelled.length;
  const notEvaluated = jobs.filter(({ status }) => status === "error").length;
  const valid = jobs.filter(({ status }) => status === "valid").length;
  const parts = [
    `${built.length} built`,
    ...(valid > 0 ? [`${valid} there already`] : []),
    ...(substituted.length > 0 ? [`${substituted.length} paths substituted`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(cancelled.length > 0 ? [`${cancelled.length} cancelled`] : []),
    ...(dependencyFailed.length > 0
      ? [`${dependencyFailed.length} not begun for want of what failed`]
      : []),
    ...(notEvaluated > 0
      ? [`${formatCount(notEvaluated, "attribute")} that could not be evaluated`]
      : []),
  ];
  const figures = [
    `${formatDuration(report.stoppedAt - report.startedAt)} in all`,
    `builds' CPU ${formatDuration(sumOf(builds.map(({ usage }) => cpuMsOf(usage))))}`,
    `evaluation's CPU ${formatDuration(report.evaluation.usage && cpuMsOf(report.evaluation.usage))}`,
    `outputs ${formatBytes(built.reduce((sum, record) => sum + sizeOf(record), 0))}`,
  ];
  return `${parts.join(", ")}; ${figures.join(", ")}`;
}

function sizeOf({ outputs }: BuildRecord): number {
  return outputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** null as soon as one is not known. */
function sumOf(figures: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const figure of figures) {
    if (figure === null) return null;
    sum += figure;
  }
  return sum;
}
