import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { UsageRecord } from "@gradient/protocol";
import type { UsageMeter } from "../ports.ts";
import { type FinalFigures, GroupFiles } from "./group-files.ts";
import type { Group } from "./group-tree.ts";
import type { MemoryUse } from "./kernel-files.ts";
import { MemoryAverage } from "./memory-average.ts";
import { MemoryPeak } from "./memory-peak.ts";
import type { ProcessMeter } from "./process-meter.ts";
import { readMemoryBytes } from "./process-tree.ts";
import type { Sampler } from "./sampler.ts";
import { UsageSeries } from "./series.ts";
import { StorageWatch } from "./storage-watch.ts";
import { NO_FINAL_FIGURES, NO_STORAGE, unmeasured, usageRecordOf } from "./usage-figures.ts";

/** Joins the groups named before `--`, then becomes the program behind it. */
const ENTER_SCRIPT =
  'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';

/** Measures the processes of one control group leaf. */
export class GroupMeter implements UsageMeter {
  readonly #group: Group;
  readonly #files: GroupFiles;
  readonly #procDirectory: string;
  readonly #held: { memoryBytes: number | null; cores: number | null };
  readonly #stopSampling: () => void;
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
  #finishing: Promise<UsageRecord> | null = null;
  #last: UsageRecord | null = null;

  constructor(options: {
    group: Group;
    procDirectory: string;
    /** Limits that the kernel holds. */
    held: { memoryBytes: number | null; cores: number | null };
    sampler: Sampler;
    intervalMs: number;
    /** For processes of other users, which only root may move: the Nix daemon's. */
    openProcessMeter: () => ProcessMeter;
  }) {
    this.#openProcessMeter = options.openProcessMeter;
    this.#group = options.group;
    this.#procDirectory = options.procDirectory;
    this.#held = options.held;
    this.#files = new GroupFiles(options.group.directories);
    this.#series = new UsageSeries(options.intervalMs);
    this.#stopSampling = options.sampler.add(() => this.#sample());
  }

  /** A process of the system's own that may be used in place of `add`: it never runs outside of the group. */
  get enter(): readonly string[] {
    this.#begin();
    const files = this.#group.paths.map((directory) => `${directory}/cgroup.procs`);
    return ["/bin/sh", "-c", ENTER_SCRIPT, "sh", ...files, "--"];
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
    return this.#record(NO_FINAL_FIGURES, performance.now() - this.#startedAt);
  }

  async kill(): Promise<void> {
    await this.#foreign?.kill();
    await this.#group.kill();
  }

  async finish(moveOut: readonly number[]): Promise<UsageRecord> {
    this.#finishing ??= this.#finish(moveOut);
    return this.#finishing;
  }

  async #finish(moveOut: readonly number[]): Promise<UsageRecord> {
    const wallMs = performance.now() - this.#startedAt;
    this.#stopSampling();
    this.#storage?.[Symbol.dispose]();
    this.#sample();
    await Promise.all(this.#leaving);
    const foreign = await this.#foreign?.finish(moveOut);
    if (foreign === undefined) for (const pid of moveOut) await this.#group.moveOut(pid);
    // Strays are part of the attempt: their CPU time is counted when they are gone.
    if (this.#group.processes().length > 0) await this.#group.kill();
    const final = this.#files.final();
    const own = this.#hasMembers ? this.#record(final, wallMs) : unmeasured(wallMs);
    const record = foreign ?? own;
    this.#last = record;
    this.#files[Symbol.dispose]();
    await this.#group.remove();
    return record;
  }

  #begin(): void {
    if (this.#hasMembers) return;
    this.#hasMembers = true;
    this.#startedAt = performance.now();
  }

  #sample(): void {
    if (!this.#hasMembers) return;
    const memory = this.#files.hasMemory ? this.#files.memory() : this.#memoryOfProcesses();
    const cpu = this.#files.cpu();
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
    const directory = this.#group.paths[0];
    if (directory === undefined) return null;
    const pids = readFileSync(`${directory}/cgroup.procs`, "utf8").split("\n").filter(Boolean);
    const bytes = pids.map((pid) => readMemoryBytes(this.#procDirectory, Number(pid)));
    return { neededBytes: bytes.reduce((sum, each) => sum + each, 0), cacheBytes: 0 };
  }

  #record(final: FinalFigures, wallMs: number): UsageRecord {
    const cpu = this.#files.cpu();
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
