/**
 * Readers of the kernel's text formats for control groups. All take a file's text and give null for what is not in it.
 * Sources: Documentation/admin-guide/cgroup-v2.rst and Documentation/admin-guide/cgroup-v1/.
 */

/**
 * A number out of `key value` lines: cpu.stat, memory.stat, memory.events, memory.oom_control, cpuacct.stat. These files
 * have up to 80 lines and are read ten times in a second, so only the line that is wanted is looked at.
 */
function valueOf(text: string, key: string): number | undefined {
  const first = `${key} `;
  const found = text.indexOf(`\n${first}`);
  if (found === -1 && !text.startsWith(first)) return undefined;
  const start = (found === -1 ? 0 : found + 1) + first.length;
  const end = text.indexOf("\n", start);
  const value = Number(text.slice(start, end === -1 ? undefined : end));
  return Number.isFinite(value) ? value : undefined;
}

/** A file of one number. `max` is null: no limit, or nothing known. */
export function parseSingle(text: string): number | null {
  const trimmed = text.trim();
  return /^\d+$/.test(trimmed) ? Number(trimmed) : null;
}

export interface CpuTime {
  userMs: number;
  systemMs: number;
}

/** cpu.stat of version 2: microseconds. */
export function cpuTimeOfV2(cpuStat: string): CpuTime | null {
  const user = valueOf(cpuStat, "user_usec");
  const system = valueOf(cpuStat, "system_usec");
  if (user === undefined || system === undefined) return null;
  return { userMs: user / 1000, systemMs: system / 1000 };
}

/**
 * Version 1 has the exact sum in nanoseconds (cpuacct.usage), and user and system apart only in ticks (cpuacct.stat): the
 * sum is divided in the proportion of the ticks. With no tick yet all of it counts as system time.
 */
export function cpuTimeOfV1(cpuacctUsage: string, cpuacctStat: string): CpuTime | null {
  const nanoseconds = parseSingle(cpuacctUsage);
  if (nanoseconds === null) return null;
  const user = valueOf(cpuacctStat, "user") ?? 0;
  const all = user + (valueOf(cpuacctStat, "system") ?? 0);
  const totalMs = nanoseconds / 1e6;
  const userMs = all === 0 ? 0 : (totalMs * user) / all;
  return { userMs, systemMs: totalMs - userMs };
}

/** Memory at one moment: what is needed, and page cache that the kernel could take back. */
export interface MemoryUse {
  neededBytes: number;
  cacheBytes: number;
}

/** memory.stat of version 2. `kernel` is there since Linux 5.18; before, its parts are summed. */
export function memoryUseOfV2(memoryStat: string): MemoryUse | null {
  const anonymous = valueOf(memoryStat, "anon");
  if (anonymous === undefined) return null;
  const shared = valueOf(memoryStat, "shmem") ?? 0;
  const parts = ["kernel_stack", "pagetables", "sec_pagetables", "percpu", "slab", "vmalloc"];
  const kernel =
    valueOf(memoryStat, "kernel") ??
    parts.reduce((sum, part) => sum + (valueOf(memoryStat, part) ?? 0), 0);
  const cache = Math.max(0, (valueOf(memoryStat, "file") ?? 0) - shared);
  return { neededBytes: anonymous + shared + kernel, cacheBytes: cache };
}

/** memory.stat (its hierarchical figures) and memory.kmem.usage_in_bytes of version 1. `cache` holds shared memory too. */
export function memoryUseOfV1(memoryStat: string, kernelUsage: string): MemoryUse | null {
  const anonymous = valueOf(memoryStat, "total_rss");
  if (anonymous === undefined) return null;
  const shared = valueOf(memoryStat, "total_shmem") ?? 0;
  const cache = Math.max(0, (valueOf(memoryStat, "total_cache") ?? 0) - shared);
  return { neededBytes: anonymous + shared + (parseSingle(kernelUsage) ?? 0), cacheBytes: cache };
}

export interface IoBytes {
  readBytes: number;
  writeBytes: number;
}

/** io.stat of version 2: `8:0 rbytes=1 wbytes=2 rios=...` for each device. A group that did no I/O has an empty file. */
export function ioBytesOfV2(ioStat: string): IoBytes {
  const total = { readBytes: 0, writeBytes: 0 };
  for (const [, key, value] of ioStat.matchAll(/\b([rw])bytes=(\d+)/g)) {
    if (key === "r") total.readBytes += Number(value);
    else total.writeBytes += Number(value);
  }
  return total;
}

/** blkio.throttle.io_service_bytes of version 1: `8:0 Read 1` for each device and direction. */
export function ioBytesOfV1(serviceBytes: string): IoBytes {
  const total = { readBytes: 0, writeBytes: 0 };
  for (const [, kind, value] of serviceBytes.matchAll(/^\d+:\d+ (Read|Write) (\d+)$/gm)) {
    if (kind === "Read") total.readBytes += Number(value);
    else total.writeBytes += Number(value);
  }
  return total;
}

/** Processes that the kernel killed for want of memory: memory.events of version 2, memory.oom_control of version 1. */
export function oomKills(text: string): number | null {
  return valueOf(text, "oom_kill") ?? null;
}

/** cpu.stat: microseconds in version 2, nanoseconds in version 1; null where the cpu controller is not there. */
export function throttledMs(cpuStat: string): number | null {
  const microseconds = valueOf(cpuStat, "throttled_usec");
  if (microseconds !== undefined) return microseconds / 1000;
  const nanoseconds = valueOf(cpuStat, "throttled_time");
  return nanoseconds === undefined ? null : nanoseconds / 1e6;
}

/** cpu.pressure, memory.pressure, io.pressure: microseconds in which at least one process waited (Documentation/accounting/psi.rst). */
export function pressureMs(text: string): number | null {
  const microseconds = /^some .*\btotal=(\d+)$/m.exec(text)?.[1];
  return microseconds === undefined ? null : Number(microseconds) / 1000;
}

export interface ProcessTimes {
  /** Clock ticks since boot: with the pid it names a process for ever. */
  startTicks: number;
  /** Of the process itself and of children that it has waited for. */
  userTicks: number;
  systemTicks: number;
  /** It has ended, and only its parent has not asked yet. */
  isZombie: boolean;
}

/** /proc/<pid>/stat. The program's name may hold anything, so fields count from the last parenthesis. */
export function parseProcessStat(text: string): ProcessTimes | null {
  const fields = text
    .slice(text.lastIndexOf(")") + 1)
    .trim()
    .split(" ");
  // Numbers as in proc(5), which counts from 1; the first field here is number 3.
  const field = (number: number): number => Number(fields[number - 3] ?? Number.NaN);
  const startTicks = field(22);
  const userTicks = field(14) + field(16);
  const systemTicks = field(15) + field(17);
  if (![startTicks, userTicks, systemTicks].every(Number.isFinite)) return null;
  return { startTicks, userTicks, systemTicks, isZombie: fields[0] === "Z" };
}
