import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startProcess } from "../process/start.ts";
import type { BoundedPart } from "../ports.ts";
import type { GroupDirectories } from "./group-files.ts";
import { GroupParts } from "./group-parts.ts";
import { openUsageMeters } from "./usage-meters.ts";

const MEBIBYTE = 1024 ** 2;
const NO_V1 = { cpu: null, cpuacct: null, memory: null, pids: null, blkio: null };

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "gradient-parts-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function group(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const created = path.join(directory, name);
  await mkdir(created, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    await writeFile(path.join(created, file), text);
  }
  return created;
}

const textOf = (...names: readonly string[]): Promise<string> =>
  readFile(path.join(directory, ...names), "utf8");

function divide(directories: GroupDirectories): GroupParts | null {
  const all = [directories.v2, ...Object.values(directories.v1)];
  return GroupParts.of(
    directories,
    all.filter((each) => each !== null),
  );
}

describe("version 2, by files in the kernel's format", () => {
  const PART = { "memory.max": "max\n", "memory.swap.max": "max\n" };

  test("a group that hands memory down holds no process itself", async () => {
    const leaf = await group("leaf", {
      "cgroup.controllers": "cpu memory pids\n",
      "cgroup.subtree_control": "",
    });
    const parts = divide({ v2: leaf, v1: NO_V1 });
    expect(await textOf("leaf", "cgroup.subtree_control")).toBe("+memory");
    expect(parts?.home).toEqual([path.join(leaf, "rest")]);
    expect(existsSync(path.join(leaf, "rest"))).toBe(true);

    await group("leaf/part-1", { ...PART, "memory.events": "oom 1\noom_kill 1\n" });
    await group("leaf/part-2", { ...PART, "memory.events": "oom 0\noom_kill 0\n" });
    const [first, second] = [parts?.make(5 * MEBIBYTE), parts?.make(6 * MEBIBYTE)];
    expect(await textOf("leaf", "part-1", "memory.max")).toMatch(/^5242880/);
    expect(await textOf("leaf", "part-1", "memory.swap.max")).toMatch(/^0/);
    expect(await textOf("leaf", "part-2", "memory.max")).toMatch(/^6291456/);
    expect(first?.enter).toContain(`${leaf}/part-1/cgroup.procs`);
    expect(first?.enter).not.toContain(`${leaf}/cgroup.procs`);
    expect([first?.oomKills(), second?.oomKills()]).toEqual([1, 0]);
    // The kernel counts what was killed in a part as the group's, too.
    expect(parts?.ownOomKills(3)).toBe(2);
    await rm(path.join(leaf, "part-1"), { recursive: true });
    expect(parts?.ownOomKills(3)).toBe(2);
  });

  test("without the memory controller there are no parts", async () => {
    const leaf = await group("leaf", {
      "cgroup.controllers": "cpu pids\n",
      "cgroup.subtree_control": "",
    });
    expect(divide({ v2: leaf, v1: NO_V1 })).toBeNull();
    expect(await textOf("leaf", "cgroup.subtree_control")).toBe("");
  });

  test("a controller that is not handed down leaves the group as it was", async () => {
    const leaf = await group("leaf", { "cgroup.controllers": "memory\n" });
    expect(divide({ v2: leaf, v1: NO_V1 })).toBeNull();
    expect(existsSync(path.join(leaf, "rest"))).toBe(false);
  });
});

describe("version 1, by files in the kernel's format", () => {
  test("only the memory hierarchy has parts", async () => {
    const memory = await group("memory", { "memory.use_hierarchy": "1\n" });
    const pids = await group("pids", {});
    await group("memory/part-1", {
      "memory.limit_in_bytes": "9223372036854771712\n",
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    });
    const parts = divide({ v2: null, v1: { ...NO_V1, memory, pids } });
    expect(parts?.home).toEqual([memory, pids]);
    const part = parts?.make(5 * MEBIBYTE);
    expect(await textOf("memory", "part-1", "memory.limit_in_bytes")).toMatch(/^5242880/);
    expect(part?.enter).toEqual(
      expect.arrayContaining([`${memory}/part-1/cgroup.procs`, `${pids}/cgroup.procs`]),
    );
    expect(part?.enter).not.toContain(`${memory}/cgroup.procs`);
    expect(part?.oomKills()).toBe(2);
    expect(parts?.ownOomKills(1)).toBe(1);
  });

  test("a hierarchy that does not count what is below has no parts", async () => {
    const memory = await group("memory", { "memory.use_hierarchy": "0\n" });
    expect(divide({ v2: null, v1: { ...NO_V1, memory } })).toBeNull();
  });

  test("a limit that the kernel does not take makes no part", async () => {
    const memory = await group("memory", { "memory.use_hierarchy": "1\n" });
    expect(divide({ v2: null, v1: { ...NO_V1, memory } })?.make(MEBIBYTE)).toBeNull();
  });
});

const offered = await openUsageMeters();
const holdsMemory = offered.mode.limits.memory;
await offered[Symbol.asyncDispose]();

describe.runIf(holdsMemory)("control groups of this machine", () => {
  async function take(part: BoundedPart, sizeBytes: number): Promise<string | null> {
    const [command, ...args] = [...part.enter, "dd", "if=/dev/zero", "of=/dev/null"];
    const child = await startProcess({
      command,
      args: [...args, `bs=${sizeBytes}`, "count=1"],
      env: { PATH: "/usr/bin:/bin" },
    });
    child.stdout.resume();
    child.stderr.resume();
    return (await child.exit).signal;
  }

  test("a part that needs more than its limit is killed alone, and not counted as the attempt's", async () => {
    await using meters = await openUsageMeters();
    const limits = { memoryBytes: 400 * MEBIBYTE, cores: null, hasParts: true };
    const meter = await meters.start("parts", limits);
    const small = meter.makePart(30 * MEBIBYTE);
    const large = meter.makePart(200 * MEBIBYTE);
    if (small === null || large === null) throw new Error("this machine bounds memory");
    expect(await take(small, 100 * MEBIBYTE)).toBe("SIGKILL");
    expect(await take(large, 100 * MEBIBYTE)).toBeNull();
    expect([small.oomKills(), large.oomKills()]).toEqual([1, 0]);
    await small.remove();
    await large.remove();
    const usage = await meter.finish([]);
    expect(usage).toMatchObject({ oomKills: 0, memoryLimitBytes: 400 * MEBIBYTE });
  });
});
