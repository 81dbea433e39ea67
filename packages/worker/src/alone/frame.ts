import { formatBytes, formatCores, formatDuration } from "../text/quantities.ts";
import { type Palette, clipped } from "../text/terminal-text.ts";
import type { Progress } from "./view.ts";

/** A build as it is shown while it runs. */
export interface LiveBuild {
  readonly name: string;
  /** By the clock of the view. */
  readonly startedAt: number;
  /** Now; null when it is not known. */
  cores: number | null;
  memoryBytes: number | null;
  /** What the figures were the time before. */
  last: { cpuMs: number; wallMs: number } | null;
}

const FIGURES_WIDTH = 38;
const MIN_NAME_WIDTH = 12;

/** The moving lines: what runs, longest first, and the counts. They fit the terminal. */
export function frameLines(picture: {
  progress: Progress;
  running: readonly LiveBuild[];
  now: number;
  columns: number;
  rows: number;
  palette: Palette;
}): string[] {
  const { progress, running, now, rows, palette } = picture;
  // The last column stays free: some terminals wrap when it is written.
  const columns = Math.max(1, picture.columns - 1);
  // One line for the counts, one for the cursor, one for what was said last.
  const room = Math.max(0, rows - 3);
  const isCut = running.length > room;
  const shown = running.slice(0, isCut ? Math.max(0, room - 1) : room);
  const lines = shown.map((build) => buildLine(build, now, columns));
  if (isCut && room > 0)
    lines.push(clipped(`  and ${running.length - shown.length} more`, columns));
  lines.push(palette.strong(clipped(countsText(progress), columns)));
  return lines;
}

function buildLine(build: LiveBuild, now: number, columns: number): string {
  const time = formatDuration(now - build.startedAt).padStart(10);
  const cores = formatCores(build.cores).padStart(12);
  const memory = formatBytes(build.memoryBytes).padStart(11);
  const nameWidth = columns - FIGURES_WIDTH;
  if (nameWidth < MIN_NAME_WIDTH) return clipped(`  ${build.name} ${time.trim()}`, columns);
  return `  ${clipped(build.name, nameWidth - 2).padEnd(nameWidth - 2)} ${time} ${cores} ${memory}`;
}

function countsText({ jobs, isEvaluating, isPlanning, builds, fetching }: Progress): string {
  const { total, building, built, failed } = builds;
  const parts = [
    ...(total > 0 ? [`${building} building`, `${built} of ${total} done`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(fetching > 0 ? [`fetching ${fetching} paths`] : []),
    // A substituter that does not answer keeps Nix for some seconds.
    ...(isPlanning && fetching === 0 ? ["asking substituters"] : []),
    ...(isEvaluating ? [`evaluating (${jobs} so far)`] : []),
  ];
  return parts.length === 0 ? "nothing to build" : parts.join(", ");
}
