import { existsSync, readdirSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BuildRequest, LiveUsage } from "../ports.ts";
import { NixFixture } from "../nix/testing/nix-fixture.ts";
import { captureLog, type LogCapture } from "../testing/log-capture.ts";
import { findHierarchies } from "../usage/hierarchies.ts";
import { SmallDisk } from "../testing/small-disk.ts";
import { RunnerBuilder } from "./runner-builder.ts";

const NO_LIMITS = { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null };

let fixture: NixFixture;
let builders: RunnerBuilder[];
let stateDirectory: string;
let log: LogCapture;
/** A directory that builds can see. */
let gates: string;

beforeEach(async () => {
  fixture = await NixFixture.make(process.env);
  stateDirectory = path.join(fixture.directory, "state");
  builders = [];
  log = captureLog();
  gates = path.join(fixture.directory, "gates");
  await mkdir(gates);
  const conf = path.join(fixture.directory, "conf/nix.conf");
  await appendFile(conf, `sandbox-paths = ${gates}\n`);
});

afterEach(async () => {
  for (const builder of builders) await builder[Symbol.asyncDispose]();
  await fixture[Symbol.asyncDispose]();
});

/** A daemon's builder; several of them one after the other are restarts of the daemon. */
async function open(release = "1"): Promise<RunnerBuilder> {
  const settings = {
    slots: 1,
    nix: fixture.nix,
    nixVersion: fixture.version,
    stateDirectory,
    release,
  };
  const builder = await RunnerBuilder.open(settings, log.logger);
  builders.push(builder);
  return builder;
}

class Build {
  readonly name: string;
  readonly directory: string;
  readonly cancel = new AbortController();
  readonly request: BuildRequest;
  /** Resolves once it has a slot. */
  readonly started: Promise<LiveUsage>;
  logBytes = 0;
  readonly lost: { bytes: number; reason: string }[] = [];
  #onGrow: () => void = () => undefined;

  private constructor(name: string, drvPath: string) {
    this.name = name;
    this.directory = path.join(stateDirectory, name);
    let onStart: (live: LiveUsage) => void = () => undefined;
    this.started = new Promise((resolve) => {
      onStart = resolve;
    });
    this.request = {
      name,
      drvPath,
      inputs: fixture.inputsOf(drvPath),
      limits: NO_LIMITS,
      onStart,
      onLog: () => {},
      signal: this.cancel.signal,
      keep: {
        directory: this.directory,
        leaseMs: 60_000,
        onLogGrew: (logBytes) => {
          this.logBytes = logBytes;
          this.#onGrow();
        },
        onLogLost: (bytes, reason) => this.lost.push({ bytes, reason }),
      },
    };
  }

  static async make(name: string, script: string): Promise<Build> {
    const drvPath = await fixture.instantiate(`mk "${name}" ''${script}; echo > $out'' { }`);
    const build = new Build(name, drvPath);
    await mkdir(build.directory, { recursive: true });
    return build;
  }

  /** One that says "begun" and then waits for `open`. */
  static async makeGated(name: string): Promise<Build> {
    const gate = path.join(gates, name);
    return Build.make(name, `echo begun; while [ ! -e ${gate} ]; do sleep 0.05; done; echo done`);
  }

  async open(): Promise<void> {
    await writeFile(path.join(gates, this.name), "");
  }

  /** Resolves when there is a log. */
  async logged(): Promise<void> {
    while (this.logBytes === 0) {
      await new Promise<void>((resolve) => {
        this.#onGrow = resolve;
      });
    }
  }

  log(): Promise<string> {
    return readFile(path.join(this.directory, "log"), "utf8");
  }
}

/** Pid of the only runner, by its socket. */
async function runnerPid(): Promise<number> {
  const [pid, ...others] = await runnerPids();
  expect(others).toEqual([]);
  return pid ?? 0;
}

async function runnerPids(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => lines[index]?.includes(`${stateDirectory}/runners`)).map(Number);
}

/** Pids of the programs of Nix that it has for builds. */
async function slotsOf(runner: number): Promise<number[]> {
  const children = await readFile(`/proc/${runner}/task/${runner}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

/** Directories of temporary files that hold any. */
async function writtenPlaces(): Promise<string[]> {
  const directory = fixture.nix.environment["TMPDIR"] ?? "";
  const files = await readdir(directory, { recursive: true });
  return files.filter((file) => file.includes("/"));
}

/** The control groups that a process made. */
function groupsOf(pid: number): string[] {
  return findHierarchies("/proc").flatMap(({ directory }) => {
    const places = [directory, path.dirname(directory)].filter((each) => existsSync(each));
    return places
      .flatMap((each) => readdirSync(each))
      .filter((name) => name.startsWith(`gradient-worker-${pid}-`));
  });
}

test("a build's log lies in its directory, and its end is told with what it used", async () => {
  const build = await Build.make("simple", "echo one; echo two");
  const { end, usage } = await (await open()).build(build.request);
  expect(end).toMatchObject({ status: 0, endedBy: null });
  expect(await build.log()).toBe("one\ntwo\n");
  expect(build.logBytes).toBe(8);
  expect(usage.wallMs).toBeGreaterThan(0);
});

test.runIf(process.getuid?.() === 0)("what could not be written of a log is told", async () => {
  await mkdir(stateDirectory);
  await using disk = await SmallDisk.mount(stateDirectory, 1);
  const full = path.join(disk.directory, "full");
  await expect(writeFile(full, Buffer.alloc(2 ** 21))).rejects.toThrow("ENOSPC");
  const builder = await open();
  const build = await Build.make(path.basename(disk.directory), "echo one; echo two");
  const { end } = await builder.build(build.request);
  expect(end.status).toBe(0);
  expect(build.lost).toEqual([{ bytes: 8, reason: expect.stringContaining("ENOSPC") }]);
});

test("more inputs than fit into a message are not told", async () => {
  const builder = await open();
  const build = await Build.make("many", "echo done");
  const name = (n: number): string => `/nix/store/${"0".repeat(32)}-${"long".repeat(40)}-${n}`;
  const inputs = Array.from({ length: 8000 }, (_, n) => name(n));
  const { end } = await builder.build({ ...build.request, inputs });
  expect(end).toMatchObject({ status: 0, message: null });
});

test("the next daemon goes on with what runs and with what waits", async () => {
  const first = await open();
  const running = await Build.makeGated("running");
  const waiting = await Build.make("waiting", "echo waited");
  const left = [first.build(running.request)];
  await running.logged();
  left.push(first.build(waiting.request));
  // Answers of the runner come after what it was told before.
  const live = await running.started;
  await expect
    .poll(async () => (await live.current()).wallMs, { timeout: 10_000 })
    .toBeGreaterThan(300);
  const pid = await runnerPid();
  first.leave();
  for (const each of left) await expect(each).rejects.toThrow("successor");

  const second = await open();
  expect(await second.has(running)).toBe(true);
  expect(await second.has(waiting)).toBe(true);
  second.endUnclaimed();
  await running.open();
  const answers = await Promise.all([running, waiting].map((each) => second.build(each.request)));
  expect(answers.map(({ end }) => end.status)).toEqual([0, 0]);
  expect(answers.map(({ usage }) => usage.cpuQuality)).not.toContain("none");
  expect(await running.log()).toBe("begun\ndone\n");
  expect(await runnerPid()).toBe(pid);
});

test("what nobody asks for is ended", async () => {
  const first = await open();
  const build = await Build.make("unwanted", "echo begun; sleep 600");
  first.build(build.request).catch(() => {});
  await build.logged();
  first.leave();
  const second = await open();
  second.endUnclaimed();
  // The only slot is free.
  const { end } = await second.build((await Build.make("next", "echo next")).request);
  expect(end.status).toBe(0);
  expect(await second.has(build)).toBe(false);
});

test("a runner of another release finishes what it has beside a new one, and goes", async () => {
  const first = await open("1");
  const build = await Build.makeGated("old");
  first.build(build.request).catch(() => {});
  await build.logged();
  const old = await runnerPid();
  first.leave();
  const second = await open("2");
  expect(await second.has(build)).toBe(true);
  const { end } = await second.build((await Build.make("new", "echo new")).request);
  expect(end.status).toBe(0);
  expect(await runnerPids()).toHaveLength(2);
  await build.open();
  expect((await second.build(build.request)).end.status).toBe(0);
  // It goes by itself.
  await expect.poll(runnerPids, { timeout: 10_000 }).not.toContain(old);
});

test("a runner that is killed costs its builds, and the next build gets a new one", async () => {
  const builder = await open();
  const build = await Build.make("lost", "echo begun; sleep 600");
  const answer = builder.build(build.request);
  await build.logged();
  process.kill(await runnerPid(), "SIGKILL");
  await expect(answer).rejects.toMatchObject({ code: "build-lost", isTransient: true });
  expect(await builder.has(build)).toBe(false);
  const { end } = await builder.build((await Build.make("after", "echo after")).request);
  expect(end.status).toBe(0);
  // The new one has its own place.
  await expect.poll(writtenPlaces, { timeout: 10_000 }).toEqual([]);
});

test("one that is killed while nothing is built is told, and leaves no files", async () => {
  const builder = await open();
  await builder.build((await Build.make("before", "echo before")).request);
  const runner = await runnerPid();
  if (process.getuid?.() === 0) expect(groupsOf(runner)).not.toEqual([]);
  process.kill(runner, "SIGKILL");
  const gone = "the process that runs the builds is gone";
  await expect.poll(() => log.messages(), { timeout: 10_000 }).toContain(gone);
  expect(await readdir(path.join(stateDirectory, "runners"))).toEqual([]);
  expect(await readdir(fixture.nix.environment["TMPDIR"] ?? "")).toEqual([]);
  expect(groupsOf(runner)).toEqual([]);
  await builder.build((await Build.make("behind", "echo behind")).request);
});

test("a cancelled build ends at once, whether it runs or waits", async () => {
  const builder = await open();
  const running = await Build.make("cancelled", "echo begun; sleep 600");
  const waiting = await Build.make("queued", "echo never");
  const first = builder.build(running.request);
  await running.logged();
  const second = builder.build(waiting.request);
  const reason = new Error("no longer wanted");
  waiting.cancel.abort(reason);
  await expect(second).rejects.toBe(reason);
  running.cancel.abort(reason);
  expect((await first).end.endedBy).toBe("cancel");
  expect(await readdir(running.directory)).toEqual(["log"]);
});

test("a slot gets ready before its first build, and is one", async () => {
  const builder = await open();
  builder.prepare();
  await expect.poll(async () => slotsOf(await runnerPid()), { timeout: 10_000 }).toHaveLength(1);
  builder.prepare();
  await builder.build((await Build.make("first", "echo first")).request);
  const slots = await slotsOf(await runnerPid());
  // One that gets ready for the next build.
  expect(slots.length).toBeLessThanOrEqual(2);
});

test("what a running build has used so far can be asked for", async () => {
  const builder = await open();
  const build = await Build.make("busy", "while true; do :; done");
  const answer = builder.build(build.request);
  const live = await build.started;
  expect((await live.current()).wallMs).toBeGreaterThan(0);
  await expect
    .poll(async () => (await live.current()).wallMs, { timeout: 10_000 })
    .toBeGreaterThan(300);
  build.cancel.abort();
  await answer;
  expect((await live.current()).wallMs).toBeGreaterThan(300);
});

test("nothing is left when the daemon ends in order", async () => {
  const builder = await open();
  await builder.build((await Build.make("last", "echo last")).request);
  await builder[Symbol.asyncDispose]();
  await expect.poll(runnerPids, { timeout: 10_000 }).toEqual([]);
  expect(await readdir(path.join(stateDirectory, "runners"))).toEqual([]);
});
