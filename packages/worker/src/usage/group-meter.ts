import { performance } from "node:perf_hooks";
import type { UsageRecord } from "@gradient/protocol";
import type { BoundedPart, MeterLimits, UsageMeter } from "../ports.ts";
import { readControl } from "./control-file.ts";
import { type FinalFigures, GroupFiles } from "./group-files.ts";
import type { Group } from "./group-tree.ts";
import type { CpuTime, MemoryUse } from "./kernel-files.ts";
import { MemoryAverage } from "./memory-average.ts";
import { MemoryPeak } from "./memory-peak.ts";
import type { ProcessMeter } from "./process-meter.ts";
import { readMemoryBytes } from "./process-tree.ts";
import type { Sampler } from "./sampler.ts";
import { UsageSeries } from "./series.ts";
import { StorageWatch } from "./storage-watch.ts";
import { NO_FINAL_FIGURES, NO_STORAGE, unmeasured, usageRecordOf } from "./usage-figures.ts";

/** Measures the processes of one control group leaf. */
export class GroupMeter implements UsageMeter {
  readonly #group: Group;
  readonly #files: GroupFiles;
  readonly #procDirectory: string;
  readonly #limit: (limits: MeterLimits) => MeterLimits;
  readonly #canLimitCores: boolean;
  readonly #startSampling: () => () => void;
  #stopSampling: () => void = () => {};
  #held: MeterLimits = { memoryBytes: null, cores: null };
  /** What was used before the attempt began. */
  #before: CpuTime = { userMs: 0, systemMs: 0 };
  #isWaiting: boolean;
  #isStopped = false;
  readonly #peak = new MemoryPeak();
  readonly #average = new MemoryAverage();
  readonly #series: UsageSeries;
  #startedAt = performance.now();
  readonly #leaving: Promise<void>[] = [];
  readonly #openProcessMeter: () => ProcessMeter;
  /** Of a process that may not be moved. */
  #foreign: ProcessMeter | null = null;
  #storage: StorageWatch | null = null;
  #hasMembers = false;
  #figures: Promise<UsageRecord> | null = null;
  #finishing: Promise<UsageRecord> | null = null;
  #last: UsageRecord | null = null;

  constructor(options: {
    group: Group;
    procDirectory: string;
    /** null: the attempt has not begun. */
    limits: MeterLimits | null;
    /** Bounds the group. Answers the limits that the kernel holds. */
    limit: (limits: MeterLimits) => MeterLimits;
    /** Whether a group that is made for it can bound cores. */
    canLimitCores: boolean;
    sampler: Sampler;
    intervalMs: number;
    /** For processes of other users, which only root may move: the Nix daemon's. */
    openProcessMeter: () => ProcessMeter;
  }) {
    this.#openProcessMeter = options.openProcessMeter;
    this.#group = options.group;
    this.#procDirectory = options.procDirectory;
    this.#limit = options.limit;
    this.#canLimitCores = options.canLimitCores;
    this.#files = new GroupFiles(options.group.directories);
    this.#series = new UsageSeries(options.intervalMs);
    this.#startSampling = () => options.sampler.add(() => this.#sample());
    this.#isWaiting = options.limits === null;
    if (options.limits === null) return;
    this.#held = this.#limit(options.limits);
    this.#stopSampling = this.#startSampling();
  }

  begin(limits: MeterLimits): boolean {
    const held = this.#limit(limits);
    if (limits.cores !== null && held.cores === null && this.#canLimitCores) return false;
    this.#held = held;
    this.#foreign?.begin();
    this.#before = this.#files.cpu() ?? this.#before;
    this.#startedAt = performance.now();
    this.#isWaiting = false;
    this.#stopSampling = this.#startSampling();
    return true;
  }

  /** A process of the system's own that may be used in place of `add`: it never runs outside of the group. */
  get enter(): readonly string[] {
    this.#begin();
    return this.#group.enter;
  }

  makePart(memoryBytes: number): BoundedPart | null {
    const part = this.#group.parts?.make(memoryBytes) ?? null;
    if (part !== null) this.#begin();
    return part;
  }

  get isGroup(): boolean {
    return this.#foreign === null;
  }

  async add(pid: number): Promise<void> {
    try {
      await this.#group.add(pid);
      this.#begin();
    } catch (error) {
      if (!isForbidden(error)) throw error;
      this.#foreign ??= this.#openProcessMeter();
      await this.#foreign.add(pid);
    }
  }

  async remove(pid: number): Promise<void> {
    if (this.#foreign !== null) return this.#foreign.remove(pid);
    this.#sample();
    const leaving = this.#group.moveOut(pid);
    this.#leaving.push(leaving);
    await leaving;
  }

  watchStorage(): void {
    if (this.#foreign !== null) return this.#foreign.watchStorage();
    const pids = (): number[] => this.#group.processes();
    this.#storage ??= new StorageWatch({ procDirectory: this.#procDirectory, pids });
  }

  current(): UsageRecord {
    if (this.#last !== null) return this.#last;
    if (this.#foreign !== null) return this.#foreign.current();
    this.#sample();
    const figures = { ...NO_FINAL_FIGURES, oomKills: this.#ownOomKills(this.#files.oomKills()) };
    return this.#record(figures, performance.now() - this.#startedAt);
  }

  async kill(staying: readonly number[]): Promise<void> {
    await this.#foreign?.kill(staying);
    await this.#group.kill(staying);
  }

  async figures(staying: readonly number[]): Promise<UsageRecord> {
    this.#figures ??= this.#readFigures(staying, performance.now() - this.#startedAt);
    return this.#figures;
  }

  async finish(moveOut: readonly number[]): Promise<UsageRecord> {
    this.#finishing ??= this.#finish(moveOut);
    return this.#finishing;
  }

  async #finish(moveOut: readonly number[]): Promise<UsageRecord> {
    const wallMs = performance.now() - this.#startedAt;
    if (this.#figures === null) {
      this.#stop();
      await Promise.all(this.#leaving);
      if (this.#foreign === null) for (const pid of moveOut) await this.#group.moveOut(pid);
      this.#figures = this.#readFigures(moveOut, wallMs);
    }
    const record = await this.#figures;
    await Promise.all(this.#leaving);
    await this.#foreign?.finish(moveOut);
    this.#files[Symbol.dispose]();
    if (this.#group.removeEmpty()) return record;
    for (const pid of moveOut) await this.#group.moveOut(pid);
    await this.#group.kill();
    await this.#group.remove();
    return record;
  }

  async #readFigures(staying: readonly number[], wallMs: number): Promise<UsageRecord> {
    this.#stop();
    const foreign = await this.#foreign?.figures(staying);
    // Strays are part of the attempt: their CPU time is counted when they are gone.
    const strays = this.#group.processes().filter((pid) => !staying.includes(pid));
    if (strays.length > 0) await this.#group.kill(staying);
    const figures = this.#files.final();
    const final = { ...figures, oomKills: this.#ownOomKills(figures.oomKills) };
    const hasMembers = this.#hasMembers && !this.#isWaiting;
    const own = hasMembers ? this.#record(final, wallMs) : unmeasured(wallMs);
    this.#last = foreign ?? own;
    return this.#last;
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stopSampling();
    this.#storage?.[Symbol.dispose]();
    this.#sample();
  }

  #ownOomKills(counted: number | null): number | null {
    return this.#group.parts?.ownOomKills(counted) ?? counted;
  }

  /** Of the attempt alone. */
  #cpu(): CpuTime | null {
    const cpu = this.#files.cpu();
    if (cpu === null) return null;
    const { userMs, systemMs } = this.#before;
    // The kernel splits the time between the two anew at each read.
    return {
      userMs: Math.max(0, cpu.userMs - userMs),
      systemMs: Math.max(0, cpu.systemMs - systemMs),
    };
  }

  #begin(): void {
    if (this.#hasMembers) return;
    this.#hasMembers = true;
    this.#startedAt = performance.now();
  }

  #sample(): void {
    if (!this.#hasMembers || this.#isWaiting || this.#last !== null) return;
    const memory = this.#files.hasMemory ? this.#files.memory() : this.#memoryOfProcesses();
    const cpu = this.#cpu();
    const atMs = Math.round(performance.now() - this.#startedAt);
    if (memory !== null) {
      this.#peak.push(memory);
      this.#average.push(atMs, memory.neededBytes);
    }
    this.#series.push({
      atMs,
      cpuMs: cpu === null ? null : Math.round(cpu.userMs + cpu.systemMs),
      memoryBytes: memory?.neededBytes ?? null,
    });
  }

  /** Where the memory controller is not ours: the processes that the group holds, looked at one by one. */
  #memoryOfProcesses(): MemoryUse | null {
    const members = readControl(this.#group.paths[0] ?? null, "cgroup.procs");
    if (members === null) return null;
    const pids = members.split("\n").filter(Boolean);
    const bytes = pids.map((pid) => readMemoryBytes(this.#procDirectory, Number(pid)));
    return { neededBytes: bytes.reduce((sum, each) => sum + each, 0), cacheBytes: 0 };
  }

  #record(final: FinalFigures, wallMs: number): UsageRecord {
    const cpu = this.#cpu();
    const peak = this.#peak.result(final.memoryRawPeakBytes);
    return usageRecordOf({
      wallMs,
      cpu,
      cpuQuality: cpu === null ? "none" : "exact",
      memoryPeakBytes: peak.bytes,
      memoryQuality: peak.quality,
      memoryAverageBytes: this.#average.bytes(),
      memoryLimitBytes: this.#held.memoryBytes,
      coresLimit: this.#held.cores,
      final,
      source: this.#source(),
      series: this.#series.points(),
      storage: this.#storage?.peaks() ?? NO_STORAGE,
    });
  }

  #source(): string {
    const groups = this.#files.versions.map((version) => `cgroup${version}`);
    return [...groups, ...(this.#files.hasMemory ? [] : ["proc"])].join("+");
  }
}

function isForbidden(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM")
  );
}
