import { readFile } from "node:fs/promises";

/** What /proc/stat counts in. */
const TICKS_PER_SECOND = 100;

/** In seconds, over all cores. */
interface CoreTime {
  busy: number;
  idle: number;
  /** The hypervisor's, for others. */
  stolen: number;
}

/** Does something, and prints what the machine's cores did meanwhile, so that figures of busy cores can be told. */
export async function watched<T>(what: string, work: () => Promise<T>): Promise<T> {
  const before = await coreTime();
  const result = await work();
  const after = await coreTime();
  const spent = (key: keyof CoreTime): string => (after[key] - before[key]).toFixed(2);
  process.stdout.write(
    `${what}: cores busy for ${spent("busy")} s, idle for ${spent("idle")} s, stolen for ${spent("stolen")} s\n`,
  );
  return result;
}

/** proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. */
async function coreTime(): Promise<CoreTime> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, stolen = 0] =
    line
      .split(/\s+/)
      .slice(1)
      .map((ticks) => Number(ticks) / TICKS_PER_SECOND);
  return { busy: user + nice + system + irq + softIrq, idle: idle + waiting, stolen };
}
