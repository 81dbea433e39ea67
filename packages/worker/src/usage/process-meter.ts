import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { UsageRecord } from "@gradient/protocol";
import type { UsageMeter } from "../ports.ts";
import { openNixGroup } from "./nix-group.ts";
import { TICK_MS, readMemoryBytes, readProcessTree, readTimes } from "./process-tree.ts";
import type { FinalFigures, GroupFiles } from "./group-files.ts";
import { MemoryAverage } from "./memory-average.ts";
import type { Sampler } from "./sampler.ts";
import { UsageSeries } from "./series.ts";
import { StorageWatch } from "./storage-watch.ts";
import { NO_FINAL_FIGURES, NO_STORAGE, unmeasured, usageRecordOf } from "./usage-figures.ts";

const KILL_TIMEOUT_MS = 5000;
const KILL_POLL_MS = 5;

interface Ticks {
  user: number;
  system: number;
}

interface Root {
  startTicks: number;
  /** What it and its children had used before the attempt. */
  before: Ticks;
  /** Most that was seen to be used in the attempt. */
  used: Ticks;
}

/**
 * Measures by looking at processes and their children, where there are no control groups. CPU time of children that were
 * waited for is exact; what is orphaned, or lives between two samples, is missed. Memory limits are not enforced.
 */
export class ProcessMeter implements UsageMeter {
  readonly enter: readonly string[] = [];
  readonly isGroup = false;
  readonly #procDirectory: string;
  readonly #stopSampling: () => void;
  readonly #series: UsageSeries;
  readonly #roots = new Map<number, Root>();
  /** Descendants that were seen, with their start: a pid alone may be another process by now. */
  readonly #seen = new Map<number, number>();
  #startedAt = performance.now();
  /** Of processes that were released again. */
  #released: Ticks = { user: 0, system: 0 };
  #memoryPeakBytes: number | null = null;
  readonly #average = new MemoryAverage();
  #processesPeak = 0;
  /** The group that Nix made for the build; its last figures, as it is gone with the build. */
  #nixGroup: GroupFiles | null = null;
  #nixFigures: FinalFigures = NO_FINAL_FIGURES;
  #storage: StorageWatch | null = null;
  #isWaiting: boolean;
  #last: UsageRecord | null = null;

  constructor(options: {
    procDirectory: string;
    sampler: Sampler;
    intervalMs: number;
    /** The attempt has not begun. */
    isWaiting?: boolean;
  }) {
    this.#isWaiting = options.isWaiting ?? false;
    this.#procDirectory = options.procDirectory;
    this.#series = new UsageSeries(options.intervalMs);
    this.#stopSampling = options.sampler.add(() => this.#sample());
  }

  makePart(): null {
    return null;
  }

  async add(pid: number): Promise<void> {
    const times = readTimes(this.#procDirectory, pid);
    if (times === null) return;
    if (this.#roots.size === 0) this.#startedAt = performance.now();
    this.#roots.set(pid, {
      startTicks: times.startTicks,
      before: { user: times.userTicks, system: times.systemTicks },
      used: { user: 0, system: 0 },
    });
  }

  async remove(pid: number): Promise<void> {
    this.#sample();
    const root = this.#roots.get(pid);
    if (root === undefined) return;
    this.#roots.delete(pid);
    this.#released = sum([this.#released, root.used]);
  }

  /** There are no limits here. */
  begin(): boolean {
    for (const [pid, root] of this.#roots) {
      const times = readTimes(this.#procDirectory, pid);
      if (times === null) continue;
      root.before = { user: times.userTicks, system: times.systemTicks };
      root.used = { user: 0, system: 0 };
    }
    this.#startedAt = performance.now();
    this.#isWaiting = false;
    return true;
  }

  watchStorage(): void {
    const pids = (): number[] => [...this.#seen.keys()];
    this.#storage ??= new StorageWatch({ procDirectory: this.#procDirectory, pids });
  }

  current(): UsageRecord {
    if (this.#last !== null) return this.#last;
    this.#sample();
    return this.#record();
  }

  async kill(staying: readonly number[]): Promise<void> {
    await this.#kill(staying);
  }

  async figures(staying: readonly number[]): Promise<UsageRecord> {
    if (this.#last !== null) return this.#last;
    this.#stopSampling();
    this.#storage?.[Symbol.dispose]();
    this.#sample();
    this.#last = this.#record();
    this.#nixGroup?.[Symbol.dispose]();
    this.#nixGroup = null;
    await this.#kill(staying);
    return this.#last;
  }

  async #kill(staying: readonly number[]): Promise<void> {
    const deadline = performance.now() + KILL_TIMEOUT_MS;
    while (performance.now() < deadline) {
      this.#sample();
      const roots = [...this.#roots].map(([pid, root]) => [pid, root.startTicks] as const);
      const alive = [...this.#seen, ...roots].filter(
        ([pid, startTicks]) => !staying.includes(pid) && this.#isAlive(pid, startTicks),
      );
      // What we may not touch, Nix itself has to end.
      const isAsked = alive.map(([pid]) => killOne(pid));
      if (!isAsked.includes(true)) return;
      await sleep(KILL_POLL_MS);
    }
  }

  async finish(moveOut: readonly number[]): Promise<UsageRecord> {
    for (const pid of moveOut) await this.remove(pid);
    const record = await this.figures([]);
    await this.#kill([]);
    return record;
  }

  #sample(): void {
    if (this.#isWaiting) return;
    let memoryBytes = 0;
    let processes = 0;
    for (const [pid, root] of this.#roots) {
      const tree = readProcessTree(this.#procDirectory, pid);
      if (tree[0]?.times.startTicks !== root.startTicks) continue;
      const now = { user: -root.before.user, system: -root.before.system };
      for (const each of tree) {
        now.user += each.times.userTicks;
        now.system += each.times.systemTicks;
        memoryBytes += readMemoryBytes(this.#procDirectory, each.pid);
        if (each.pid !== pid) this.#seen.set(each.pid, each.times.startTicks);
      }
      processes += tree.length;
      // The sum falls when something ends without being waited for; what was used stays used.
      root.used.user = Math.max(root.used.user, now.user);
      root.used.system = Math.max(root.used.system, now.system);
    }
    if (processes === 0) return;
    memoryBytes = this.#readNixGroup() ?? memoryBytes;
    this.#memoryPeakBytes = Math.max(this.#memoryPeakBytes ?? 0, memoryBytes);
    this.#processesPeak = Math.max(this.#processesPeak, processes);
    const { user, system } = this.#used();
    const atMs = Math.round(performance.now() - this.#startedAt);
    this.#average.push(atMs, memoryBytes);
    this.#series.push({ atMs, cpuMs: (user + system) * TICK_MS, memoryBytes });
  }

  /** Memory that the group of Nix's own holds, where it counts memory. */
  #readNixGroup(): number | null {
    this.#nixGroup ??= openNixGroup(this.#procDirectory, [...this.#seen.keys()]);
    if (this.#nixGroup === null) return null;
    const figures = this.#nixGroup.final();
    if (figures.pressure.cpuMs !== null) this.#nixFigures = figures;
    return this.#nixGroup.memory()?.neededBytes ?? null;
  }

  #used(): Ticks {
    return sum([this.#released, ...[...this.#roots.values()].map((root) => root.used)]);
  }

  #record(): UsageRecord {
    const wallMs = performance.now() - this.#startedAt;
    if (this.#memoryPeakBytes === null) return unmeasured(wallMs);
    const { user, system } = this.#used();
    return usageRecordOf({
      wallMs,
      cpu: { userMs: user * TICK_MS, systemMs: system * TICK_MS },
      cpuQuality: "sampled",
      memoryPeakBytes: this.#memoryPeakBytes,
      memoryQuality: "sampled",
      memoryAverageBytes: this.#average.bytes(),
      memoryLimitBytes: null,
      coresLimit: null,
      final: {
        ...this.#nixFigures,
        processesPeak: this.#nixFigures.processesPeak ?? this.#processesPeak,
      },
      source: this.#nixGroup === null ? "proc" : "cgroup2+proc",
      series: this.#series.points(),
      storage: this.#storage?.peaks() ?? NO_STORAGE,
    });
  }

  #isAlive(pid: number, startTicks: number): boolean {
    const times = readTimes(this.#procDirectory, pid);
    return times?.startTicks === startTicks && !times.isZombie;
  }
}

function sum(parts: readonly Ticks[]): Ticks {
  return {
    user: parts.reduce((total, part) => total + part.user, 0),
    system: parts.reduce((total, part) => total + part.system, 0),
  };
}

/** False for a process of another user. */
function killOne(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}
