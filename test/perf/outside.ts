import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** What one of the worker's control groups for builds was seen to use, read from outside. */
export interface SeenGroup {
  cpuMs: number;
  memoryPeakBytes: number;
}

/** One moment: CPU time of all builds' groups until then, and of the worker itself. */
export interface Moment {
  buildsMs: number;
  workerMs: number;
}

/**
 * Reads control groups from outside of the worker, ten times as often as the worker does. Version 2 has the CPU time on
 * every machine; memory is where its controller is.
 */
export class OutsideReader {
  readonly groups = new Map<string, SeenGroup>();
  readonly moments: Moment[] = [];
  /** The worker's own groups in the hierarchies that are read. */
  readonly #bases: readonly string[];
  readonly #own: string;
  readonly #stateDir: string;
  #worker: RegExp;
  #hasRunner = false;
  readonly #timer: NodeJS.Timeout;

  /** The worker gets a group of its own, so that what it uses beside its builds is known. */
  constructor(workerPid: number, stateDir: string) {
    this.#stateDir = stateDir;
    const v2 = ownGroup(/ - cgroup2 /, /^0::(.*)$/m);
    if (v2 === null) throw new Error("there is no version 2 of control groups on this machine");
    const memory = ownGroup(/ - cgroup .*\bmemory\b/, /^\d+:memory:(.*)$/m);
    this.#own = join(v2, `gradient-bench-${process.pid}-${workerPid}`);
    mkdirSync(this.#own);
    writeFileSync(join(this.#own, "cgroup.procs"), String(workerPid));
    this.#bases = [v2, this.#own, ...(memory === null ? [] : [memory])];
    this.#worker = new RegExp(`^gradient-worker-${workerPid}-`);
    this.#timer = setInterval(() => this.#read(), 10);
  }

  /** The worker has ended. */
  close(): void {
    clearInterval(this.#timer);
    rmdirSync(this.#own);
  }

  #read(): void {
    if (!this.#hasRunner) this.#takeRunner();
    const parents = this.#bases
      .flatMap(directoriesIn)
      .filter((each) => this.#worker.test(basename(each)));
    for (const directory of parents.flatMap(directoriesIn)) {
      const name = basename(directory);
      if (!name.startsWith("build-")) continue;
      const seen = this.groups.get(name) ?? { cpuMs: 0, memoryPeakBytes: 0 };
      seen.cpuMs = Math.max(seen.cpuMs, cpuMs(directory));
      seen.memoryPeakBytes = Math.max(seen.memoryPeakBytes, memoryBytes(directory));
      this.groups.set(name, seen);
    }
    const buildsMs = [...this.groups.values()].reduce((sum, { cpuMs }) => sum + cpuMs, 0);
    const inside = directoriesIn(this.#own).some((each) => this.#worker.test(basename(each)));
    this.moments.push({ buildsMs, workerMs: cpuMs(this.#own) - (inside ? buildsMs : 0) });
  }

  #takeRunner(): void {
    const pid = findRunner(this.#stateDir);
    if (pid === null) return;
    this.#hasRunner = true;
    writeFileSync(join(this.#own, "cgroup.procs"), String(pid));
    this.#worker = new RegExp(`^gradient-worker-${pid}-`);
  }
}

/** The process that makes builds outlive the worker; its argument lies in the worker's state directory. */
function findRunner(stateDir: string): number | null {
  const found = readdirSync("/proc").find((name) => {
    if (!/^\d+$/.test(name)) return false;
    const [, program = "", socket = ""] = textOf(join("/proc", name, "cmdline")).split("\0");
    return program.endsWith("gradient-worker-runner.js") && socket.startsWith(`${stateDir}/`);
  });
  return found === undefined ? null : Number(found);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Directory of our own group in a hierarchy of this machine. */
function ownGroup(mount: RegExp, membership: RegExp): string | null {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const line = mounts.find((each) => mount.test(each));
  const group = membership.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  const point = line?.split(" ")[4];
  return point === undefined || group === undefined ? null : join(point, group);
}

function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch {
    return [];
  }
}

function cpuMs(directory: string): number {
  return number(directory, "cpu.stat", /^usage_usec (\d+)$/m) / 1000;
}

/** Anonymous, shared and kernel memory. */
function memoryBytes(directory: string): number {
  const v2 =
    number(directory, "memory.stat", /^anon (\d+)$/m) +
    number(directory, "memory.stat", /^shmem (\d+)$/m) +
    number(directory, "memory.stat", /^kernel (\d+)$/m);
  const v1 =
    number(directory, "memory.stat", /^total_rss (\d+)$/m) +
    number(directory, "memory.stat", /^total_shmem (\d+)$/m) +
    number(directory, "memory.kmem.usage_in_bytes", /^(\d+)$/m);
  return Math.max(v1, v2);
}

function number(directory: string, file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(join(directory, file), "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
