import { mkdirSync, rmdirSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import path from "node:path";
import type { BoundedPart } from "../ports.ts";
import { readControl, writeControl } from "./control-file.ts";
import { type GroupDirectories, limitMemory, readOomKills } from "./group-files.ts";

/** Joins the groups named before `--`, then becomes the program behind it. */
const ENTER_SCRIPT =
  'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';
/** In version 2, for what is in no part. */
const REST = "rest";

/** Command line prefix that makes a new process join these groups before it runs. */
export function enterLine(directories: readonly string[]): string[] {
  const files = directories.map((directory) => `${directory}/cgroup.procs`);
  return ["/bin/sh", "-c", ENTER_SCRIPT, "sh", ...files, "--"];
}

/** Parts of a group that each have a memory limit of their own; what they use is the group's, too. */
export class GroupParts {
  /** Where processes of the group go that are in no part; each hierarchy's directory once. */
  readonly home: readonly string[];
  /** Version 2 counts what was killed in a part as the group's. */
  readonly #isCountedAbove: boolean;
  readonly #paths: readonly string[];
  /** The group's directory in the hierarchy that bounds memory. */
  readonly #above: string;
  readonly #parts: Part[] = [];

  private constructor(
    paths: readonly string[],
    options: { above: string; home: readonly string[]; isCountedAbove: boolean },
  ) {
    this.#paths = paths;
    this.#above = options.above;
    this.home = options.home;
    this.#isCountedAbove = options.isCountedAbove;
  }

  /** Divides a group that holds no processes yet. null where memory is not bounded by it, or not together with what is below it. */
  static of({ v2, v1 }: GroupDirectories, paths: readonly string[]): GroupParts | null {
    const offered = readControl(v2, "cgroup.controllers")?.split(/\s+/) ?? [];
    if (v2 !== null && offered.includes("memory")) {
      const rest = handDown(v2);
      if (rest === null) return null;
      const home = paths.map((each) => (each === v2 ? rest : each));
      return new GroupParts(paths, { above: v2, home, isCountedAbove: true });
    }
    const isHierarchical = readControl(v1.memory, "memory.use_hierarchy")?.trim() === "1";
    if (v1.memory === null || !isHierarchical) return null;
    return new GroupParts(paths, { above: v1.memory, home: paths, isCountedAbove: false });
  }

  /** null when the kernel does not take the limit. */
  make(memoryBytes: number): BoundedPart | null {
    const directory = path.join(this.#above, `part-${this.#parts.length + 1}`);
    const none = { cpu: null, cpuacct: null, memory: null, pids: null, blkio: null };
    const directories = this.#isCountedAbove
      ? { v2: directory, v1: none }
      : { v2: null, v1: { ...none, memory: directory } };
    try {
      mkdirSync(directory, { recursive: true });
    } catch {
      return null;
    }
    const groups = this.#paths.map((each) => (each === this.#above ? directory : each));
    const part = new Part(directories, directory, groups);
    this.#parts.push(part);
    return limitMemory(directories, memoryBytes) ? part : null;
  }

  /** Of the group without its parts. */
  ownOomKills(counted: number | null): number | null {
    if (counted === null || !this.#isCountedAbove) return counted;
    return counted - this.#parts.reduce((sum, part) => sum + part.oomKills(), 0);
  }
}

class Part implements BoundedPart {
  readonly enter: readonly string[];
  readonly #directories: GroupDirectories;
  readonly #directory: string;
  /** What is known once it is removed. */
  #oomKills = 0;

  constructor(directories: GroupDirectories, directory: string, groups: readonly string[]) {
    this.#directories = directories;
    this.#directory = directory;
    this.enter = enterLine(groups);
  }

  oomKills(): number {
    this.#oomKills = readOomKills(this.#directories) ?? this.#oomKills;
    return this.#oomKills;
  }

  async remove(): Promise<void> {
    this.oomKills();
    // One that still holds a process goes with the group.
    await rmdir(this.#directory).catch(() => {});
  }
}

/** A group that hands controllers down may hold no processes itself (cgroup-v2.rst, "No Internal Process Constraint"). */
function handDown(directory: string): string | null {
  const rest = path.join(directory, REST);
  try {
    mkdirSync(rest, { recursive: true });
  } catch {
    return null;
  }
  if (writeControl(directory, "cgroup.subtree_control", "+memory")) return rest;
  rmdirSync(rest);
  return null;
}
