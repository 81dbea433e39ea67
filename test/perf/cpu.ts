import { readdir, readFile } from "node:fs/promises";

/** The kernel counts CPU time in hundredths of a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds of a process and of those that it started, as far as they are its children or were waited for. */
export interface CpuSeconds {
  own: number;
  children: number;
}

interface ProcessStat {
  pid: number;
  parent: number;
  own: number;
  reaped: number;
}

/** Null when the process is gone. */
async function readStat(pid: number): Promise<ProcessStat | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (text === null) return null;
  // The name in brackets may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = (index: number): number => Number(fields[index]) / TICKS_PER_SECOND;
  return {
    pid,
    parent: Number(fields[1]),
    own: ticks(11) + ticks(12),
    reaped: ticks(13) + ticks(14),
  };
}

/** What the process and its descendants have used until now. */
export async function cpuOf(pid: number): Promise<CpuSeconds> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = (await Promise.all(names.map((name) => readStat(Number(name))))).filter(
    (stat) => stat !== null,
  );
  const root = stats.find((stat) => stat.pid === pid);
  if (root === undefined) throw new Error(`process ${pid} is gone`);
  let children = root.reaped;
  const open = [pid];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const stat of stats.filter((each) => each.parent === parent)) {
      children += stat.own + stat.reaped;
      open.push(stat.pid);
    }
  }
  return { own: root.own, children };
}
