import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningProcess, startProcess } from "../process/start.ts";
import type { UsageMeter, UsageMeters } from "../ports.ts";
import { GroupTree } from "./group-tree.ts";
import { ProcessMeter } from "./process-meter.ts";
import { Sampler } from "./sampler.ts";
import { openUsageMeters } from "./usage-meters.ts";

const env = { PATH: "/usr/bin:/bin" };
const NO_LIMITS = { memoryBytes: null, cores: null };
/** Burns CPU until the process itself has used this many clock ticks of 10 ms. */
const burn = (ticks: number): string =>
  `t=0; while [ $t -lt ${ticks} ]; do n=0; while [ $n -lt 2000 ]; do n=$((n+1)); done; read -r s < /proc/self/stat; set -- \${s##*) }; t=$((\${12} + \${13})); done`;

/** Starts a script that waits for a line, so that it can be put into a group first. */
async function waiting(script: string): Promise<RunningProcess> {
  const child = await startProcess({
    command: "sh",
    args: ["-c", `read -r go; ${script}`],
    env,
  });
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

async function measured(meter: UsageMeter, script: string) {
  const child = await waiting(script);
  await meter.add(child.pid);
  child.stdin.end("go\n");
  await child.exit;
  return meter.finish([]);
}

const tree = await GroupTree.open("/proc");
await tree?.[Symbol.asyncDispose]();

describe.runIf(tree !== null)("control groups of this machine", () => {
  let meters: UsageMeters & AsyncDisposable;

  beforeAll(async () => {
    meters = await openUsageMeters();
  });

  afterAll(async () => {
    await meters[Symbol.asyncDispose]();
  });

  test("CPU time is exact, also of processes that ended long before", async () => {
    const meter = await meters.start("burn", NO_LIMITS);
    const usage = await measured(meter, `(${burn(30)}); (${burn(20)})`);
    const total = (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0);
    expect(total).toBeGreaterThan(480);
    expect(total).toBeLessThan(620);
    expect(usage.cpuQuality).toBe("exact");
    expect(usage.source).toMatch(/^cgroup/);
    expect(usage.wallMs).toBeGreaterThan(0);
    expect(usage.processesPeak).toBeGreaterThanOrEqual(1);
    expect(usage.series.length).toBeGreaterThan(2);
  });

  test("an orphan is counted, and ended with the attempt", async () => {
    const meter = await meters.start("orphan", NO_LIMITS);
    const child = await waiting(`setsid sh -c 'echo $$; exec sleep 600' & wait`);
    await meter.add(child.pid);
    const orphan = new Promise<number>((resolve) => {
      child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
    });
    child.stdin.end("go\n");
    const pid = await orphan;
    child.signal("SIGKILL");
    await child.exit;
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await meter.finish([]);
    expect(isRunning(pid)).toBe(false);
  });

  test("a process that was moved out survives, and what it uses then is not counted", async () => {
    const meter = await meters.start("moved", NO_LIMITS);
    const child = await waiting(`read -r again; ${burn(20)}; echo done; read -r end`);
    await meter.add(child.pid);
    child.stdin.write("go\n");
    const usage = await meter.finish([child.pid]);
    expect((usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0)).toBeLessThan(100);
    child.stdin.write("again\n");
    await new Promise((resolve) => {
      child.stdout.once("data", resolve);
    });
    expect(child.hasExited).toBe(false);
    await child.end(1000);
  });

  test("a command line that enters the group is in it from its first moment", async () => {
    const meter = await meters.start("enter", NO_LIMITS);
    const [command = "", ...args] = meter.enter.concat("sh", "-c", "cat /proc/self/cgroup");
    const child = await startProcess({ command, args, env });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stderr.resume();
    child.stdin.end();
    expect(await child.exit).toEqual({ exitCode: 0, signal: null });
    expect(text).toMatch(/gradient-worker-.*\/enter-\d+/);
    expect((await meter.finish([])).cpuQuality).toBe("exact");
  });

  test("a meter that nothing was added to says that nothing was measured", async () => {
    const meter = await meters.start("empty", NO_LIMITS);
    const usage = await meter.finish([]);
    expect(usage).toMatchObject({
      cpuQuality: "none",
      memoryQuality: "none",
      cpuUserMs: null,
      memoryPeakBytes: null,
      memoryRawPeakBytes: null,
      source: "none",
    });
    expect(meter.current()).toEqual(usage);
  });

  test("nothing of a group is left, and finishing twice is harmless", async () => {
    const meter = await meters.start("leftover", NO_LIMITS);
    const [, , , , ...files] = meter.enter;
    const groups = files.filter((file) => file.endsWith("cgroup.procs"));
    expect(groups.length).toBeGreaterThan(0);
    expect(groups.every((file) => existsSync(file))).toBe(true);
    const first = await meter.finish([]);
    expect(await meter.finish([])).toEqual(first);
    expect(groups.some((file) => existsSync(file))).toBe(false);
  });

  test("closing ends what no meter was finished for", async () => {
    const others = await openUsageMeters();
    const meter = await others.start("unfinished", NO_LIMITS);
    const groups = meter.enter.filter((word) => word.endsWith("cgroup.procs"));
    const child = await waiting("sleep 600");
    await meter.add(child.pid);
    await others[Symbol.asyncDispose]();
    expect((await child.exit).signal).toBe("SIGKILL");
    expect(groups.some((file) => existsSync(file))).toBe(false);
  });

  test("killing ends what forks as fast as it can", async () => {
    const meter = await meters.start("forks", NO_LIMITS);
    const child = await waiting("while :; do sleep 0.01 & done");
    await meter.add(child.pid);
    child.stdin.end("go\n");
    await meter.kill([]);
    expect((await child.exit).signal).toBe("SIGKILL");
    await meter.finish([]);
  });
});

describe("looking at processes, where there are no groups", () => {
  const sampler = new Sampler(50);
  const open = (): ProcessMeter =>
    new ProcessMeter({ procDirectory: "/proc", sampler, intervalMs: 50 });

  test("CPU time of children that were waited for is in, and is called sampled", async () => {
    const meter = open();
    const child = await waiting(`(${burn(30)}); (${burn(20)}); echo done; read -r end`);
    await meter.add(child.pid);
    const done = new Promise((resolve) => {
      child.stdout.once("data", resolve);
    });
    child.stdin.write("go\n");
    await done;
    const usage = await meter.finish([child.pid]);
    const total = (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0);
    expect(total).toBeGreaterThan(480);
    expect(total).toBeLessThan(650);
    expect(usage).toMatchObject({
      cpuQuality: "sampled",
      memoryQuality: "sampled",
      source: "proc",
    });
    expect(usage.memoryPeakBytes).toBeGreaterThan(100_000);
    expect(usage.memoryRawPeakBytes).toBeNull();
    expect(child.hasExited).toBe(false);
    await child.end(1000);
  });

  test("what the process used before it was added is not counted", async () => {
    const child = await waiting(`${burn(30)}; echo done; read -r end`);
    child.stdin.write("go\n");
    await new Promise((resolve) => {
      child.stdout.once("data", resolve);
    });
    const meter = open();
    await meter.add(child.pid);
    const usage = await meter.finish([child.pid]);
    expect((usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0)).toBeLessThan(50);
    await child.end(1000);
  });

  test("finishing ends the children that are left", async () => {
    const meter = open();
    const child = await waiting("sleep 600 & echo $!; wait");
    await meter.add(child.pid);
    const started = new Promise<number>((resolve) => {
      child.stdout.once("data", (text: Buffer) => resolve(Number(text.toString())));
    });
    child.stdin.end("go\n");
    const pid = await started;
    await meter.finish([]);
    await child.exit;
    expect(isRunning(pid)).toBe(false);
  });

  test("without a process nothing was measured", async () => {
    expect(await open().finish([])).toMatchObject({ cpuQuality: "none", source: "none" });
  });
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
