import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readControl, writeControl, writeProcess } from "./control-file.ts";
import { type GroupDirectories, V1_CONTROLLERS, type V1Controller } from "./group-files.ts";
import { type Hierarchy, findHierarchies } from "./hierarchies.ts";
import { parseProcessStat } from "./kernel-files.ts";

const V2_CONTROLLERS = ["cpu", "memory", "io", "pids"];
/** Pid, start and PID namespace of the worker that made it, and a random part. */
const PARENT_NAME = /^gradient-worker-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/;
const EMPTY_TIMEOUT_MS = 5000;
const EMPTY_POLL_MS = 2;

/**
 * The groups of one worker: in each hierarchy a parent below the worker's own group, and in it one leaf for each attempt.
 * What a hierarchy does not let us write is left out.
 */
export class GroupTree implements AsyncDisposable {
  readonly #v2: string | null;
  readonly #v1: Readonly<Record<V1Controller, string | null>>;
  #leaves = 0;

  private constructor(v2: string | null, v1: Record<V1Controller, string | null>) {
    this.#v2 = v2;
    this.#v1 = v1;
  }

  /** Makes the parents, and removes what dead workers left. Null when there is no hierarchy that can be written. */
  static async open(procDirectory: string): Promise<GroupTree | null> {
    const hierarchies = await findHierarchies(procDirectory).catch(() => []);
    await removeStaleGroups(hierarchies, procDirectory);
    const name = parentName(procDirectory);
    const v1 = Object.fromEntries(V1_CONTROLLERS.map((each) => [each, null])) as Record<
      V1Controller,
      string | null
    >;
    let v2: string | null = null;
    for (const hierarchy of hierarchies) {
      const controllers = V1_CONTROLLERS.filter((each) => hierarchy.controllers.includes(each));
      if (hierarchy.version === 1 && controllers.length === 0) continue;
      const parent = await makeParent(hierarchy, name);
      if (hierarchy.version === 2) v2 = parent;
      for (const controller of controllers) v1[controller] = parent;
    }
    const hasAny = v2 !== null || Object.values(v1).some((parent) => parent !== null);
    return hasAny ? new GroupTree(v2, v1) : null;
  }

  /**
   * Makes an empty leaf, only in the hierarchies that are needed: each one more is one more place to move processes to.
   * CPU time is in version 2 when it is there, and version 1's `cpu` bounds but does not measure.
   */
  makeLeaf(name: string, options: { hasCpuLimit: boolean }): Group {
    this.#leaves += 1;
    const leaf = `${name.replaceAll(/[^\w.-]/g, "_")}-${this.#leaves}`;
    const below = (parent: string | null): string | null =>
      parent === null ? null : path.join(parent, leaf);
    const { cpu, cpuacct, memory, pids, blkio } = this.#v1;
    const group = new Group({
      v2: below(this.#v2),
      v1: {
        cpu: options.hasCpuLimit ? below(cpu) : null,
        cpuacct: this.#v2 === null ? below(cpuacct) : null,
        memory: below(memory),
        pids: below(pids),
        blkio: below(blkio),
      },
    });
    for (const directory of group.paths) mkdirSync(directory);
    return group;
  }

  /** Ends what is left in leaves that nobody has finished. The parent stays when this process itself is in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const parent of new Group({ v2: this.#v2, v1: this.#v1 }).paths) {
      const leaves = groupsIn(parent).filter((group) => path.basename(group) !== "self");
      leaves.flatMap(processesBelow).forEach(killOne);
      for (const leaf of leaves) await removeGroup(leaf);
      await rmdir(parent).catch(ignore);
    }
  }
}

/** One leaf. */
export class Group {
  readonly directories: GroupDirectories;
  /** Each directory once: hierarchies of version 1 may have several controllers. */
  readonly paths: readonly string[];

  constructor(directories: GroupDirectories) {
    this.directories = directories;
    const all = [directories.v2, ...Object.values(directories.v1)];
    this.paths = [...new Set(all.filter((each) => each !== null))];
  }

  /** Moves a process, with all its threads. Does nothing when it is gone. */
  async add(pid: number): Promise<void> {
    for (const directory of this.paths) await writeProcess(directory, pid);
  }

  /** Moves a process back to where the worker itself is. Does nothing when it is gone. */
  async moveOut(pid: number): Promise<void> {
    for (const directory of this.paths) {
      const parent = path.dirname(directory);
      const own = existsSync(path.join(parent, "self"))
        ? path.join(parent, "self")
        : path.dirname(parent);
      await writeProcess(own, pid);
    }
  }

  /** Pids in it and in groups below. */
  processes(): number[] {
    return [...new Set(this.paths.flatMap(processesBelow))];
  }

  /** Ends every process in it, also those that are just being started. */
  async kill(): Promise<void> {
    const isAsked = writeControl(this.directories.v2, "cgroup.kill", "1");
    // Without cgroup.kill (before Linux 5.14): until none is left, as they may still fork.
    const deadline = Date.now() + EMPTY_TIMEOUT_MS;
    for (let isFirst = true; Date.now() < deadline; isFirst = false) {
      const pids = this.processes();
      if (pids.length === 0) return;
      if (!isAsked || !isFirst) pids.forEach(killOne);
      await sleep(EMPTY_POLL_MS);
    }
  }

  async remove(): Promise<void> {
    for (const directory of this.paths) await removeGroup(directory);
  }
}

/** Removes an empty group and the groups in it. A group that just became empty may need a moment. */
async function removeGroup(directory: string): Promise<void> {
  for (const child of groupsIn(directory)) await removeGroup(child);
  const deadline = Date.now() + EMPTY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      if (codeOf(error) !== "EBUSY") return;
      await sleep(EMPTY_POLL_MS);
    }
  }
}

async function removeStaleGroups(
  hierarchies: readonly Hierarchy[],
  procDirectory: string,
): Promise<void> {
  for (const { directory } of hierarchies) {
    for (const group of groupsIn(directory)) {
      const match = PARENT_NAME.exec(path.basename(group));
      if (match === null) continue;
      const [, pid = "", startTicks = "", namespace] = match;
      // A worker in a container looks like a dead one to us, and we to it.
      if (namespace !== pidNamespace()) continue;
      if (startOf(procDirectory, pid) === Number(startTicks)) continue;
      processesBelow(group).forEach(killOne);
      await removeGroup(group);
    }
  }
}

function parentName(procDirectory: string): string {
  const start = startOf(procDirectory, "self") ?? 0;
  const random = randomBytes(4).toString("hex");
  return `gradient-worker-${process.pid}-${start}-${pidNamespace()}-${random}`;
}

/** Pids mean something only within it. 0 when the kernel does not tell. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}

function startOf(procDirectory: string, pid: string): number | null {
  const stat = readControl(path.join(procDirectory, pid), "stat");
  return stat === null ? null : (parseProcessStat(stat)?.startTicks ?? null);
}

async function makeParent(hierarchy: Hierarchy, name: string): Promise<string | null> {
  const parent = path.join(hierarchy.directory, name);
  try {
    mkdirSync(parent);
  } catch {
    return null;
  }
  if (hierarchy.version === 2) await enableControllers(hierarchy.directory, parent);
  return parent;
}

/**
 * Hands the controllers down to the leaves. A group that does so may not hold processes itself (cgroup-v2.rst, "No
 * Internal Process Constraint"), so this process moves into a group beside the leaves first. When others share our group,
 * the kernel refuses, and the leaves have what needs no controller: CPU time and kill.
 */
async function enableControllers(own: string, parent: string): Promise<void> {
  const there = wordsOf(own, "cgroup.controllers");
  const wanted = V2_CONTROLLERS.filter((each) => there.includes(each));
  const given = wordsOf(own, "cgroup.subtree_control");
  const missing = wanted.filter((each) => !given.includes(each));
  if (missing.length > 0) {
    const self = path.join(parent, "self");
    mkdirSync(self);
    await writeProcess(self, process.pid).catch(ignore);
    enable(own, missing);
  }
  enable(parent, wanted);
}

function enable(directory: string, controllers: readonly string[]): void {
  for (const controller of controllers) {
    writeControl(directory, "cgroup.subtree_control", `+${controller}`);
  }
}

function wordsOf(directory: string, name: string): string[] {
  return (readControl(directory, name) ?? "").split(/\s+/).filter((word) => word !== "");
}

function processesBelow(directory: string): number[] {
  const own = (readControl(directory, "cgroup.procs") ?? "")
    .split("\n")
    .filter(Boolean)
    .map(Number);
  return [...own, ...groupsIn(directory).flatMap(processesBelow)];
}

function groupsIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(directory, entry.name));
  } catch {
    return [];
  }
}

function killOne(pid: number): void {
  // 0 stands for a process of another PID namespace, and would name our own group to kill(2).
  if (pid <= 1) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

function ignore(): void {}
