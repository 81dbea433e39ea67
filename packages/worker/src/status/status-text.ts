import { formatBytes, formatCores, formatCount, formatDuration } from "../text/quantities.ts";
import { tableLines } from "../text/table.ts";
import { printable } from "../text/terminal-text.ts";
import type { JobStatus, WorkerStatus } from "./status.ts";

const HEAD = ["job", "phase", "for", "CPU", "now", "memory", "about"];

/** The status for people. */
export function statusLines(status: WorkerStatus, now: number): string[] {
  const { slots, jobs, resultsWaiting } = status;
  const facts = [
    ["worker", status.worker],
    ["release", `${status.release}, Nix ${status.nixVersion}, process ${status.pid}`],
    ["running", `for ${formatDuration(now - status.startedAt)}${drainText(status)}`],
    ["coordinator", connectionText(status, now)],
    ["slots", `${slots.busy} of ${slots.total} in use`],
    ["waiting", `${formatCount(resultsWaiting, "result")} to be acknowledged`],
  ];
  const lines = tableLines(facts);
  if (jobs.length === 0) return [...lines, "", "nothing runs"];
  return [...lines, "", ...tableLines([HEAD, ...jobs.map((job) => rowOf(job, now))])];
}

function drainText({ isDraining }: WorkerStatus): string {
  return isDraining ? ", draining: takes nothing new, and ends when it is done" : "";
}

function connectionText({ connection }: WorkerStatus, now: number): string {
  const { server, isAccepted, since, epoch, reason } = connection;
  const time = since === null ? "" : ` for ${formatDuration(now - since)}`;
  if (isAccepted) return `${server}, accepted${time}, epoch ${epoch}`;
  return `${server}, not connected${time}${reason === null ? "" : `: ${printable(reason)}`}`;
}

function rowOf(job: JobStatus, now: number): string[] {
  const { kind, phase, phaseAt, usage, subject } = job;
  return [
    kind,
    phase,
    formatDuration(now - phaseAt),
    formatDuration(usage?.cpuMs ?? null),
    formatCores(usage?.cores ?? null),
    formatBytes(usage?.memoryBytes ?? null),
    printable(subject),
  ];
}
