import { closeSync, existsSync, openSync, readSync } from "node:fs";
import path from "node:path";
import {
  type CpuTime,
  type IoBytes,
  type MemoryUse,
  cpuTimeOfV1,
  cpuTimeOfV2,
  ioBytesOfV1,
  ioBytesOfV2,
  memoryUseOfV1,
  memoryUseOfV2,
  oomKills,
  parseSingle,
  pressureMs,
  throttledMs,
} from "./kernel-files.ts";
import { readControl, writeControl } from "./control-file.ts";

/** Directories of one group: in version 2 it is one, in version 1 one for each controller. */
export interface GroupDirectories {
  v2: string | null;
  v1: Readonly<Record<V1Controller, string | null>>;
}

export const V1_CONTROLLERS = ["cpu", "cpuacct", "memory", "pids", "blkio"] as const;
export type V1Controller = (typeof V1_CONTROLLERS)[number];

/** Figures that are read once, when everything has ended. */
export interface FinalFigures {
  memoryRawPeakBytes: number | null;
  oomKills: number | null;
  cpuThrottledMs: number | null;
  io: IoBytes | null;
  processesPeak: number | null;
  /** Times in which at least one process waited; only version 2 counts them. */
  pressure: { cpuMs: number | null; memoryMs: number | null; ioMs: number | null };
}

/**
 * Reads one group's figures, each from the best file that this kernel has: version 2 before version 1. CPU and memory are
 * read often, so their files stay open; a read takes some microseconds and is done at once.
 */
export class GroupFiles implements Disposable {
  readonly #directories: GroupDirectories;
  readonly #open: number[] = [];
  readonly #cpu: (() => CpuTime | null) | null;
  readonly #memory: (() => MemoryUse | null) | null;
  readonly #buffer = Buffer.alloc(32 * 1024);
  readonly #usedVersions = new Set<1 | 2>();

  constructor(directories: GroupDirectories) {
    this.#directories = directories;
    this.#cpu = this.#cpuReader();
    this.#memory = this.#memoryReader();
  }

  /** Versions that CPU and memory are read from, the older first. */
  get versions(): readonly (1 | 2)[] {
    return ([1, 2] as const).filter((version) => this.#usedVersions.has(version));
  }

  get hasCpu(): boolean {
    return this.#cpu !== null;
  }

  get hasMemory(): boolean {
    return this.#memory !== null;
  }

  cpu(): CpuTime | null {
    return this.#cpu?.() ?? null;
  }

  memory(): MemoryUse | null {
    return this.#memory?.() ?? null;
  }

  oomKills(): number | null {
    return readOomKills(this.#directories);
  }

  final(): FinalFigures {
    const { v2, v1 } = this.#directories;
    const peak =
      readControl(v2, "memory.peak") ?? readControl(v1.memory, "memory.max_usage_in_bytes");
    const processes = readControl(v2, "pids.peak") ?? readControl(v1.pids, "pids.peak");
    return {
      memoryRawPeakBytes: parseSingle(peak ?? ""),
      oomKills: this.oomKills(),
      cpuThrottledMs:
        throttledMs(readControl(v2, "cpu.stat") ?? "") ??
        throttledMs(readControl(v1.cpu, "cpu.stat") ?? ""),
      io: this.#io(),
      processesPeak: parseSingle(processes ?? ""),
      pressure: {
        cpuMs: pressureMs(readControl(v2, "cpu.pressure") ?? ""),
        memoryMs: pressureMs(readControl(v2, "memory.pressure") ?? ""),
        ioMs: pressureMs(readControl(v2, "io.pressure") ?? ""),
      },
    };
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.#open.splice(0)) closeSync(descriptor);
  }

  #io(): IoBytes | null {
    const v2 = readControl(this.#directories.v2, "io.stat");
    if (v2 !== null) return ioBytesOfV2(v2);
    const v1 = readControl(this.#directories.v1.blkio, "blkio.throttle.io_service_bytes");
    return v1 === null ? null : ioBytesOfV1(v1);
  }

  #cpuReader(): (() => CpuTime | null) | null {
    const { v2, v1 } = this.#directories;
    const stat = this.#reader(v2, "cpu.stat");
    if (stat !== null && cpuTimeOfV2(stat()) !== null) {
      this.#usedVersions.add(2);
      return () => cpuTimeOfV2(stat());
    }
    const usage = this.#reader(v1.cpuacct, "cpuacct.usage");
    const ticks = this.#reader(v1.cpuacct, "cpuacct.stat");
    if (usage === null || ticks === null) return null;
    this.#usedVersions.add(1);
    return () => cpuTimeOfV1(usage(), ticks());
  }

  #memoryReader(): (() => MemoryUse | null) | null {
    const { v2, v1 } = this.#directories;
    const stat = this.#reader(v2, "memory.stat");
    if (stat !== null) {
      this.#usedVersions.add(2);
      return () => memoryUseOfV2(stat());
    }
    const statV1 = this.#reader(v1.memory, "memory.stat");
    if (statV1 === null) return null;
    this.#usedVersions.add(1);
    const kernel = this.#reader(v1.memory, "memory.kmem.usage_in_bytes");
    return () => memoryUseOfV1(statV1(), kernel?.() ?? "");
  }

  #reader(directory: string | null, name: string): (() => string) | null {
    const file = directory === null ? null : path.join(directory, name);
    if (file === null || !existsSync(file)) return null;
    const descriptor = openSync(file, "r");
    this.#open.push(descriptor);
    return () => this.#read(descriptor);
  }

  /** Empty when the group was removed behind our back: then the figures are unknown, and nothing fails. */
  #read(descriptor: number): string {
    try {
      const length = readSync(descriptor, this.#buffer, 0, this.#buffer.length, 0);
      return this.#buffer.toString("latin1", 0, length);
    } catch {
      return "";
    }
  }
}

/** Processes of the group that the kernel has killed at its limit; in version 2 also those of groups in it. */
export function readOomKills({ v2, v1 }: GroupDirectories): number | null {
  const events = readControl(v2, "memory.events") ?? readControl(v1.memory, "memory.oom_control");
  return oomKills(events ?? "");
}

/** Writes what bounds the group. Answers the limits that hold: null where the kernel offers no place for one. */
export function writeLimits(
  directories: GroupDirectories,
  limits: { memoryBytes: number | null; cores: number | null; processes: number },
): { memoryBytes: number | null; cores: number | null; processes: number | null } {
  const { v2, v1 } = directories;
  const { memoryBytes, cores, processes } = limits;
  const isBounded =
    writeControl(v2, "pids.max", String(processes)) ||
    writeControl(v1.pids, "pids.max", String(processes));
  return {
    processes: isBounded ? processes : null,
    memoryBytes: memoryBytes !== null && limitMemory(directories, memoryBytes) ? memoryBytes : null,
    cores: cores !== null && limitCores(directories, cores) ? cores : null,
  };
}

/** Whether the limit holds. Without swap: a build that needs more than its limit is to end, not to slow down everything else. */
export function limitMemory({ v2, v1 }: GroupDirectories, memoryBytes: number): boolean {
  const bytes = String(memoryBytes);
  if (writeControl(v2, "memory.max", bytes)) {
    writeControl(v2, "memory.swap.max", "0");
    return true;
  }
  if (!writeControl(v1.memory, "memory.limit_in_bytes", bytes)) return false;
  writeControl(v1.memory, "memory.memsw.limit_in_bytes", bytes);
  return true;
}

function limitCores({ v2, v1 }: GroupDirectories, cores: number): boolean {
  const periodUs = 100_000;
  const quotaUs = Math.max(1000, Math.round(cores * periodUs));
  if (writeControl(v2, "cpu.max", `${quotaUs} ${periodUs}`)) return true;
  return (
    writeControl(v1.cpu, "cpu.cfs_period_us", String(periodUs)) &&
    writeControl(v1.cpu, "cpu.cfs_quota_us", String(quotaUs))
  );
}
