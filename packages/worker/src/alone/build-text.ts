import { formatBytes, formatDuration } from "../text/quantities.ts";
import { type Palette, printable } from "../text/terminal-text.ts";
import { type BuildRecord, cpuMsOf } from "./report.ts";

const OUTCOME_WORDS: Readonly<Record<BuildRecord["outcome"], string>> = {
  built: "built",
  build_failed: "failed",
  timeout: "timed out",
  out_of_memory: "out of memory",
  cancelled: "cancelled",
  client_error: "cannot be built here",
  internal_error: "not built by a fault of this machine",
};

/** An outcome as it is said to people; reports in JSON have the word of the protocol. */
export function outcomeWord({ outcome }: BuildRecord): string {
  return OUTCOME_WORDS[outcome];
}

function paintOutcome(record: BuildRecord, text: string, palette: Palette): string {
  if (record.outcome === "built") return palette.good(text);
  return record.outcome === "cancelled" ? palette.warn(text) : palette.bad(text);
}

/** `built hello-1.0 (wall 1.20 s, CPU 0.90 s, memory 12.0 MiB)` */
export function endOf(record: BuildRecord, palette: Palette): string {
  const { usage, name } = record;
  const figures = [
    `wall ${formatDuration(usage.wallMs)}`,
    `CPU ${formatDuration(cpuMsOf(usage))}`,
    `memory ${formatBytes(usage.memoryPeakBytes)}`,
  ];
  return `${paintOutcome(record, outcomeWord(record), palette)} ${name} (${figures.join(", ")})`;
}

/** What a failure needs: Nix's words, the end of the log, and where the whole of it is. Empty for what did not fail. */
export function failureLines({ drvPath, outcome, message, logTail }: BuildRecord): string[] {
  if (outcome === "built" || outcome === "cancelled") return [];
  const lines = [`  ${ownWords(message)}`];
  if (logTail.length > 0) {
    lines.push(
      `  the end of its log:`,
      ...logTail.map((line) => `  > ${printable(line)}`),
      `  all of it: nix-store --read-log ${drvPath}`,
    );
  }
  return lines;
}

/** Nix repeats the end of the log in its message, which is shown anyhow. */
function ownWords(message: string | null): string {
  const text = printable(message ?? "it failed and nobody said why");
  return (text.split(/;?\s*last \d+ log lines:/i)[0] ?? text).replaceAll("\n", "\n  ").trimEnd();
}
