import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type GroupDirectories, GroupFiles, writeLimits } from "./group-files.ts";
import { GroupTree } from "./group-tree.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "gradient-groups-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const NO_V1: GroupDirectories["v1"] = {
  cpu: null,
  cpuacct: null,
  memory: null,
  pids: null,
  blkio: null,
};

async function group(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const created = path.join(directory, name);
  await mkdir(created, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    await writeFile(path.join(created, file), text);
  }
  return created;
}

const V2_FILES = {
  "cpu.stat": "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nthrottled_usec 500\n",
  "cpu.max": "max 100000\n",
  "memory.stat": "anon 1000\nfile 500\nkernel 10\nshmem 100\n",
  "memory.peak": "2000\n",
  "memory.max": "max\n",
  "memory.swap.max": "max\n",
  "memory.events": "oom 1\noom_kill 1\n",
  "io.stat": "8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n",
  "pids.peak": "7\n",
  "pids.max": "max\n",
  "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\n",
  "memory.pressure":
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
};

/** This machine may have no version 2 controllers: files in the kernel's format stand for them. */
describe("version 2 groups, by files in the kernel's format", () => {
  test("every figure is read from version 2", async () => {
    using files = new GroupFiles({ v2: await group("v2", V2_FILES), v1: NO_V1 });
    expect(files.versions).toEqual([2]);
    expect(files.cpu()).toEqual({ userMs: 2, systemMs: 1 });
    expect(files.memory()).toEqual({ neededBytes: 1110, cacheBytes: 400 });
    expect(files.final()).toEqual({
      memoryRawPeakBytes: 2000,
      oomKills: 1,
      cpuThrottledMs: 0.5,
      io: { readBytes: 5, writeBytes: 6 },
      processesPeak: 7,
      // The kernel was built or started without I/O pressure.
      pressure: { cpuMs: 1.5, memoryMs: 0, ioMs: null },
    });
  });

  test("figures change with the files", async () => {
    const v2 = await group("v2", V2_FILES);
    using files = new GroupFiles({ v2, v1: NO_V1 });
    await writeFile(path.join(v2, "cpu.stat"), "user_usec 9000\nsystem_usec 1000\n");
    expect(files.cpu()).toEqual({ userMs: 9, systemMs: 1 });
  });

  test("limits are written where version 2 has them", async () => {
    const v2 = await group("v2", V2_FILES);
    const limits = { memoryBytes: 4096, cores: 1.5, processes: 100 };
    expect(writeLimits({ v2, v1: NO_V1 }, limits)).toEqual({ ...limits });
    const text = async (name: string): Promise<string> => readFile(path.join(v2, name), "utf8");
    expect(await text("memory.max")).toMatch(/^4096/);
    expect(await text("memory.swap.max")).toMatch(/^0/);
    expect(await text("cpu.max")).toMatch(/^150000 100000/);
    expect(await text("pids.max")).toMatch(/^100/);
  });
});

test("a machine with both: each figure from the best file that there is", async () => {
  const memory = await group("memory", {
    "memory.stat": "total_rss 70\ntotal_shmem 1\ntotal_cache 5\n",
    "memory.kmem.usage_in_bytes": "9\n",
    "memory.max_usage_in_bytes": "90\n",
    "memory.oom_control": "oom_kill 0\n",
  });
  const v2 = await group("v2", { "cpu.stat": "user_usec 1000\nsystem_usec 0\n" });
  const pids = await group("pids", { "pids.peak": "3\n" });
  using files = new GroupFiles({ v2, v1: { ...NO_V1, memory, pids } });
  expect(files.versions).toEqual([1, 2]);
  expect(files.cpu()).toEqual({ userMs: 1, systemMs: 0 });
  expect(files.memory()).toEqual({ neededBytes: 80, cacheBytes: 4 });
  expect(files.final()).toEqual({
    memoryRawPeakBytes: 90,
    oomKills: 0,
    cpuThrottledMs: null,
    io: null,
    processesPeak: 3,
    pressure: { cpuMs: null, memoryMs: null, ioMs: null },
  });
});

test("limits that have no place are not claimed", () => {
  const limits = { memoryBytes: 4096, cores: 2, processes: 100 };
  expect(writeLimits({ v2: directory, v1: NO_V1 }, limits)).toEqual({
    memoryBytes: null,
    cores: null,
    processes: null,
  });
});

/** A /proc of a process in a group of the only hierarchy, which is mounted on the directory. */
async function fakeProc(mount: string, own = "/"): Promise<string> {
  await group("proc/self/ns", {});
  await symlink("pid:[77]", path.join(directory, "proc/self/ns/pid")).catch(() => {});
  await group("proc/self", {
    mountinfo: `1 0 0:1 / ${mount} rw - cgroup2 cgroup2 rw\n`,
    cgroup: `0::${own}\n`,
    stat: `1 (node) S ${Array.from({ length: 40 }, (_, index) => index).join(" ")}`,
  });
  return path.join(directory, "proc");
}

describe("the tree in version 2, by files in the kernel's format", () => {
  test("controllers are handed down, after this process has stepped aside", async () => {
    const own = await group("own", {
      "cgroup.controllers": "cpuset cpu io memory pids\n",
      "cgroup.subtree_control": "",
    });
    const tree = await GroupTree.open(await fakeProc(own));
    if (tree === null) throw new Error("there is a hierarchy");
    const leaf = tree.makeLeaf("build/of x", { hasCpuLimit: false });
    const [leafDirectory = ""] = leaf.paths;
    const parent = path.dirname(leafDirectory);
    expect(path.basename(leafDirectory)).toBe("build_of_x-1");
    expect(path.dirname(parent)).toBe(own);
    expect(await readFile(path.join(own, "cgroup.subtree_control"), "utf8")).toMatch(/^\+pids/);
    expect(await mkdir(path.join(parent, "self")).catch(() => "exists")).toBe("exists");
  });

  test("a group that hands them down already is left as it is", async () => {
    const own = await group("own", {
      "cgroup.controllers": "cpu memory\n",
      "cgroup.subtree_control": "cpu memory\n",
    });
    const tree = await GroupTree.open(await fakeProc(own));
    const [leaf = ""] = tree?.makeLeaf("x", { hasCpuLimit: false }).paths ?? [];
    expect(await mkdir(path.join(path.dirname(leaf), "self")).catch(() => "exists")).not.toBe(
      "exists",
    );
    expect(await readFile(path.join(own, "cgroup.subtree_control"), "utf8")).toBe("cpu memory\n");
  });

  test("groups of workers that are dead are removed, those of others stay", async () => {
    const own = await group("own", { "cgroup.controllers": "", "cgroup.subtree_control": "" });
    const dead = "gradient-worker-999999999-123-77-abcd";
    // Nobody here can tell whether its maker lives.
    const elsewhere = "gradient-worker-999999999-123-78-abcd";
    await mkdir(path.join(own, dead, "build-1"), { recursive: true });
    for (const name of [elsewhere, "another-service"]) await mkdir(path.join(own, name));
    await GroupTree.open(await fakeProc(own));
    const left = await readdir(own);
    expect(left).toEqual(expect.arrayContaining([elsewhere, "another-service"]));
    expect(left).not.toContain(dead);
  });

  test("what a daemon starts makes its groups beside the daemon's, and leaves the daemon's own", async () => {
    const daemon = "gradient-worker-1-2-77-abcd";
    const mount = await group("own", {
      "cgroup.controllers": "cpu memory\n",
      "cgroup.subtree_control": "cpu memory\n",
    });
    await group(`own/${daemon}/self`, { "cgroup.procs": "" });
    const tree = await GroupTree.open(await fakeProc(mount, `/${daemon}/self`));
    const [leaf = ""] = tree?.makeLeaf("x", { hasCpuLimit: false }).paths ?? [];
    const parent = path.dirname(leaf);
    expect(path.dirname(parent)).toBe(mount);
    expect(await readdir(parent)).toContain("self");
  });

  test("a service that has a group of its own in the one handed to it makes groups beside that", async () => {
    const mount = await group("own", {
      "cgroup.controllers": "cpu memory\n",
      "cgroup.subtree_control": "",
    });
    await group("own/gradient-worker", { "cgroup.procs": "" });
    const tree = await GroupTree.open(await fakeProc(mount, "/gradient-worker"));
    const [leaf = ""] = tree?.makeLeaf("x", { hasCpuLimit: false }).paths ?? [];
    const parent = path.dirname(leaf);
    expect(path.dirname(parent)).toBe(mount);
    expect(await readdir(parent)).not.toContain("self");
    expect(await readFile(path.join(mount, "cgroup.subtree_control"), "utf8")).toContain("memory");
  });
});
