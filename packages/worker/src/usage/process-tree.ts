import { readFileSync } from "node:fs";
import path from "node:path";
import { type ProcessTimes, parseProcessStat } from "./kernel-files.ts";

/** One clock tick of /proc: USER_HZ is 100 on every Linux that Node runs on. */
export const TICK_MS = 10;

export interface TreeProcess {
  pid: number;
  times: ProcessTimes;
}

/** A process and its descendants, as far as they have not been orphaned. */
export function readProcessTree(procDirectory: string, root: number): TreeProcess[] {
  const found: TreeProcess[] = [];
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const times = readTimes(procDirectory, pid);
    if (times === null) continue;
    found.push({ pid, times });
    waiting.push(...childrenOf(procDirectory, pid));
  }
  return found;
}

/** What a process and its descendants have read, written and computed so far: a text that stays as it is while they only wait. */
export function readActivity(procDirectory: string, root: number): string {
  return readProcessTree(procDirectory, root)
    .map(({ pid, times: { userTicks, systemTicks } }) => {
      const transferred = read(path.join(procDirectory, String(pid), "io"));
      return `${pid} ${userTicks} ${systemTicks} ${transferred}`;
    })
    .join("\n");
}

/** In clock ticks; null once the process is gone. */
export function readTimes(procDirectory: string, pid: number): ProcessTimes | null {
  const text = read(path.join(procDirectory, String(pid), "stat"));
  return text === null ? null : parseProcessStat(text);
}

/** Whether a process that started then may still be there. Only the kernel's word counts: what cannot be read now is no proof. */
export function mayLive(procDirectory: string, pid: number, startTicks: number): boolean {
  let text: string;
  try {
    text = readFileSync(path.join(procDirectory, String(pid), "stat"), "utf8");
  } catch (error) {
    return !isGone(error);
  }
  const times = parseProcessStat(text);
  return times === null || (times.startTicks === startTicks && !times.isZombie);
}

/** ESRCH: it ended between the opening of its file and the reading. */
function isGone(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")
  );
}

/** Proportional share of memory: pages used by several processes are divided among them. Resident size where that is hidden. */
export function readMemoryBytes(procDirectory: string, pid: number): number {
  const directory = path.join(procDirectory, String(pid));
  const rollup = read(path.join(directory, "smaps_rollup"));
  const share = /^Pss:\s+(\d+) kB$/m.exec(rollup ?? "")?.[1];
  if (share !== undefined) return Number(share) * 1024;
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(read(path.join(directory, "status")) ?? "")?.[1];
  return Number(resident ?? 0) * 1024;
}

function childrenOf(procDirectory: string, pid: number): number[] {
  // Nix starts builders from its main thread.
  const file = path.join(procDirectory, String(pid), "task", String(pid), "children");
  return (read(file) ?? "").split(" ").filter(Boolean).map(Number);
}

/** Processes come and go: what can not be read is not there. */
function read(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
