import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readControl, writeControl, writeProcess } from "./control-file.ts";
import { type GroupDirectories, V1_CONTROLLERS, type V1Controller } from "./group-files.ts";
import { GroupParts, enterLine } from "./group-parts.ts";
import { type Hierarchy, findHierarchies } from "./hierarchies.ts";
import { parseProcessStat } from "./kernel-files.ts";
import { mayLive } from "./process-tree.ts";

const V2_CONTROLLERS = ["cpu", "memory", "io", "pids"];
/** Pid, start and PID namespace of the process that made it, and a random part. */
const PARENT_NAME = /^gradient-worker-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/;
/** Beside the leaves, for the process that made them. */
const SELF = "self";
/** Name that a service gives its own group (DelegateSubgroup) when the group above is handed to it. */
const SUBGROUP = "gradient-worker";
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
    const hierarchies = findHierarchies(procDirectory).map(placeOf);
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
  makeLeaf(name: string, options: { hasCpuLimit: boolean; hasParts?: boolean }): Group {
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
    if (options.hasParts === true) group.divide();
    return group;
  }

  /** Ends what is left in leaves that nobody has finished. The parent stays when this process itself is in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const parent of new Group({ v2: this.#v2, v1: this.#v1 }).paths) {
      const leaves = groupsIn(parent).filter((group) => path.basename(group) !== SELF);
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
  #parts: GroupParts | null = null;

  constructor(directories: GroupDirectories) {
    this.directories = directories;
    const all = [directories.v2, ...Object.values(directories.v1)];
    this.paths = [...new Set(all.filter((each) => each !== null))];
  }

  /** null when it is not divided. */
  get parts(): GroupParts | null {
    return this.#parts;
  }

  /** Before processes come: from then on parts of it can have limits of their own, where this machine can do that. */
  divide(): void {
    this.#parts = GroupParts.of(this.directories, this.paths);
  }

  /** Command line prefix that makes a new process join it before it runs. */
  get enter(): readonly string[] {
    return enterLine(this.#home);
  }

  /** Moves a process, with all its threads. Does nothing when it is gone. */
  async add(pid: number): Promise<void> {
    for (const directory of this.#home) await writeProcess(directory, pid);
  }

  /** Moves a process back to where the worker itself is, from wherever it is still in the group. */
  async moveOut(pid: number): Promise<void> {
    for (const directory of this.paths) {
      if (!processesBelow(directory).includes(pid)) continue;
      const parent = path.dirname(directory);
      await writeProcess(homeBeside(parent), pid);
    }
  }

  /** Pids in it and in groups below. */
  processes(): number[] {
    return [...new Set(this.paths.flatMap(processesBelow))];
  }

  /** Ends every process in it but these, also those that are just being started. */
  async kill(staying: readonly number[] = []): Promise<void> {
    const isAsked = staying.length === 0 && writeControl(this.directories.v2, "cgroup.kill", "1");
    // Without cgroup.kill (before Linux 5.14): until none is left, as they may still fork.
    const deadline = performance.now() + EMPTY_TIMEOUT_MS;
    for (let isFirst = true; performance.now() < deadline; isFirst = false) {
      const pids = this.processes().filter((pid) => !staying.includes(pid));
      if (pids.length === 0) return;
      if (!isAsked || !isFirst) pids.forEach(killOne);
      await sleep(EMPTY_POLL_MS);
    }
  }

  /** Removes it where nothing is left in it: only an empty group can be removed (cgroups(7)). False when there is more to do. */
  removeEmpty(): boolean {
    let isRemoved = true;
    for (const directory of this.paths) {
      try {
        rmdirSync(directory);
      } catch (error) {
        if (codeOf(error) !== "ENOENT") isRemoved = false;
      }
    }
    return isRemoved;
  }

  /** Waits a while for its last processes; what is left then goes at the next start. */
  async remove(): Promise<void> {
    for (const directory of this.paths) await removeGroup(directory);
  }

  get #home(): readonly string[] {
    return this.#parts?.home ?? this.paths;
  }
}

/** Where the worker itself is: in the parent, beside it, or in the group that holds the parent. */
function homeBeside(parent: string): string {
  const above = path.dirname(parent);
  const homes = [path.join(parent, SELF), path.join(above, SUBGROUP)];
  return homes.find((each) => existsSync(each)) ?? above;
}

/** Removes an empty group and the groups in it. A group that just became empty may need a moment. */
async function removeGroup(directory: string): Promise<void> {
  for (const child of groupsIn(directory)) await removeGroup(child);
  const deadline = performance.now() + EMPTY_TIMEOUT_MS;
  while (performance.now() < deadline) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      if (codeOf(error) !== "EBUSY") return;
      await sleep(EMPTY_POLL_MS);
    }
  }
}

/** Ends what runs in the groups of dead workers that shared ours, and removes them. */
export async function removeDeadGroups(procDirectory = "/proc"): Promise<void> {
  await removeStaleGroups(findHierarchies(procDirectory).map(placeOf), procDirectory);
}

async function removeStaleGroups(
  hierarchies: readonly Hierarchy[],
  procDirectory: string,
): Promise<void> {
  const ownNamespace = pidNamespaceOf(procDirectory);
  for (const { directory } of hierarchies) {
    for (const group of groupsIn(directory)) {
      const match = PARENT_NAME.exec(path.basename(group));
      if (match === null) continue;
      const [, pid = "", startTicks = "", namespace] = match;
      if (namespace !== ownNamespace) continue;
      if (mayLive(procDirectory, Number(pid), Number(startTicks))) continue;
      processesBelow(group).forEach(killOne);
      await removeGroup(group);
    }
  }
}

/** A hierarchy with the group that the parent is made in, which is not always the one that we are in. */
interface Place extends Hierarchy {
  /** Our own group. */
  readonly own: string;
}

/**
 * Parents are made beside each other, whoever started whom: the group of the daemon that started us goes with the daemon. And in
 * version 2 a service whose group has groups in it can be started again only in a group of its own beside them.
 */
function placeOf(hierarchy: Hierarchy): Place {
  const own = hierarchy.directory;
  const above = path.dirname(own);
  if (path.basename(own) === SELF && PARENT_NAME.test(path.basename(above))) {
    return { ...hierarchy, own, directory: path.dirname(above) };
  }
  const isSubgroup = hierarchy.version === 2 && path.basename(own) === SUBGROUP;
  return { ...hierarchy, own, directory: isSubgroup ? above : own };
}

function parentName(procDirectory: string): string {
  const stat = readControl(path.join(procDirectory, "self"), "stat") ?? "";
  const start = parseProcessStat(stat)?.startTicks ?? 0;
  const namespace = pidNamespaceOf(procDirectory);
  return `gradient-worker-${process.pid}-${start}-${namespace}-${randomBytes(4).toString("hex")}`;
}

/** Containers may share control groups and not pids: who is dead there cannot be seen from here. 0 when it is not known. */
function pidNamespaceOf(procDirectory: string): string {
  try {
    return /\d+/.exec(readlinkSync(path.join(procDirectory, "self/ns/pid")))?.[0] ?? "0";
  } catch {
    return "0";
  }
}

async function makeParent(place: Place, name: string): Promise<string | null> {
  const parent = path.join(place.directory, name);
  try {
    mkdirSync(parent);
  } catch {
    return null;
  }
  if (place.version === 2) await enableControllers(place, parent);
  return parent;
}

/**
 * Hands the controllers down to the leaves. A group that does so may not hold processes itself (cgroup-v2.rst, "No
 * Internal Process Constraint"), so this process moves into a group beside the leaves first; and out of a group that goes with
 * another process. When others share our group, the kernel refuses, and the leaves have what needs no controller: CPU time and
 * kill.
 */
async function enableControllers({ directory, own }: Place, parent: string): Promise<void> {
  const there = wordsOf(directory, "cgroup.controllers");
  const wanted = V2_CONTROLLERS.filter((each) => there.includes(each));
  const given = wordsOf(directory, "cgroup.subtree_control");
  const missing = wanted.filter((each) => !given.includes(each));
  const isGuest = path.basename(own) === SELF && own !== directory;
  if (isGuest || (missing.length > 0 && own === directory)) {
    const self = path.join(parent, SELF);
    mkdirSync(self);
    await writeProcess(self, process.pid).catch(ignore);
  }
  enable(directory, missing);
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
    // A group has as many links as it holds groups, and two; listing its files takes three times as long.
    if (statSync(directory).nlink === 2) return [];
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
    // A program with the set-user-id bit may be another user's by now: that is no reason to spare the others.
    if (codeOf(error) !== "ESRCH" && codeOf(error) !== "EPERM") throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

function ignore(): void {}
