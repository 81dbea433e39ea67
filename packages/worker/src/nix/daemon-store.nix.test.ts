import { lstat } from "node:fs/promises";
import path from "node:path";
import type { BuildLimits, UsageRecord } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningProcess, startProcess } from "../process/start.ts";
import type { BuildSlot, NixStore, UsageMeter, UsageMeters } from "../ports.ts";
import { ProcessMeter } from "../usage/process-meter.ts";
import { Sampler } from "../usage/sampler.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { openBuildSlot } from "./build-slot.ts";
import { type NixInstallation, findNix, withNixConfig } from "./installation.ts";
import { DaemonLostError } from "./nix-error.ts";
import { openNixStore } from "./store.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

const NO_LIMITS: BuildLimits = {
  timeoutSeconds: null,
  maxSilentSeconds: null,
  cores: null,
  memoryBytes: null,
};

const isRoot = process.getuid?.() === 0;

/** Burns this many clock ticks of 10 ms by the kernel's own count. */
function burning(name: string, ticks: number): string {
  return `mk "${name}" ''
    t=0
    while [ $t -lt ${ticks} ]; do
      n=0; while [ $n -lt 2000 ]; do n=$((n+1)); done
      read -r s < /proc/self/stat; set -- ''\${s##*) }; t=$((''\${12} + ''\${13}))
    done
    echo > $out
  '' { }`;
}

/** Setting `use-cgroups`, since 2.12. */
function hasCgroups({ version }: NixFixture): boolean {
  return !version.startsWith("2.8.");
}

function cpuMs(usage: UsageRecord): number {
  return (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0);
}

/** Where the worker may not touch the store itself, the system's daemon does everything. */
describe("a store behind the system's daemon", () => {
  let fixture: NixFixture;
  let daemon: RunningProcess;
  let nix: NixInstallation;
  let store: NixStore;
  let slot: BuildSlot;
  let meters: UsageMeters & AsyncDisposable;

  beforeAll(async () => {
    fixture = await NixFixture.make(process.env);
    const socket = path.join(fixture.directory, "socket");
    const environment = withNixConfig(
      { ...fixture.nix.environment, NIX_DAEMON_SOCKET_PATH: socket },
      hasCgroups(fixture) ? ["extra-experimental-features = cgroups", "use-cgroups = true"] : [],
    );
    daemon = await startProcess({ command: "nix-daemon", args: ["--daemon"], env: environment });
    daemon.stdout.resume();
    daemon.stderr.resume();
    nix = findNix({ store: "daemon", environment });
    const stateDirectory = path.join(fixture.directory, "state");
    store = openNixStore({ nix, rootsName: "test", stateDirectory });
    slot = openBuildSlot(nix);
    meters = await openUsageMeters();
    await vi.waitFor(() => store.validPaths([`/nix/store/${"0".repeat(32)}-x`]), 10_000);
  });

  afterAll(async () => {
    await slot[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await meters[Symbol.asyncDispose]();
    await daemon.end(1000);
    await fixture[Symbol.asyncDispose]();
  });

  interface Asked {
    limits?: Partial<BuildLimits>;
    meter?: UsageMeter;
    slot?: BuildSlot;
    signal?: AbortSignal;
    onLog?: (text: string) => void;
  }

  async function build(body: string, asked: Asked = {}) {
    const drvPath = await fixture.instantiate(body);
    const limits = { ...NO_LIMITS, ...asked.limits };
    const meter = asked.meter ?? (await meters.start("daemon", limits));
    const { signal = new AbortController().signal, onLog = () => {} } = asked;
    const end = await (asked.slot ?? slot).build({
      drvPath,
      inputs: fixture.inputsOf(drvPath),
      limits,
      meter,
      onLog,
      signal,
    });
    return { end, usage: await meter.finish([]) };
  }

  test("builds", async () => {
    let log = "";
    const onLog = (text: string): void => {
      log += text;
    };
    const { end } = await build(`mk "far" "echo hello; echo > $out" { }`, { onLog });
    expect(end.status).toBe(0);
    expect(log).toBe("hello\n");
  });

  test.runIf(isRoot)("what the daemon's process for us starts is measured exactly", async () => {
    const { usage } = await build(burning("far-burn", 50));
    expect(usage.cpuQuality).toBe("exact");
    expect(cpuMs(usage)).toBeGreaterThan(490);
    expect(cpuMs(usage)).toBeLessThan(800);
    expect(usage.memoryPeakBytes).toBeGreaterThan(0);
  });

  test.runIf(isRoot)(
    "limits hold for it, and its connection outlives a build that was killed for them",
    async () => {
      const limits = { memoryBytes: 64 * 2 ** 20 };
      const body = `mk "far-big" "dd if=/dev/zero of=/dev/null bs=200M count=1; echo > $out" { }`;
      const { end, usage } = await build(body, { limits });
      expect(end.status).not.toBe(0);
      expect(usage.oomKills).toBeGreaterThan(0);
      expect((await build(`mk "far-after" "echo > $out" { }`)).end.status).toBe(0);
    },
  );

  test("who may not move the daemon's process reads its times from outside", async () => {
    const sampler = new Sampler(50);
    const meter = new ProcessMeter({ procDirectory: "/proc", sampler, intervalMs: 50 });
    // The daemon's process for a connection keeps what it was told for earlier builds.
    await using own = openBuildSlot(nix);
    const { end, usage } = await build(burning("far-sampled", 50), { meter, slot: own });
    expect(end.status).toBe(0);
    expect(usage.cpuQuality).toBe("sampled");
    // Nix's own group for the build, where there is one, tells what nobody sees from outside.
    expect(usage.source).toBe(hasCgroups(fixture) ? "cgroup2+proc" : "proc");
    if (hasCgroups(fixture)) expect(usage.cpuPressureMs).toBeGreaterThanOrEqual(0);
    expect(cpuMs(usage)).toBeGreaterThan(490);
    expect(cpuMs(usage)).toBeLessThan(800);
  });

  test("a build can be cancelled", async () => {
    const controller = new AbortController();
    const { end } = await build(`mk "far-endless" "echo started; sleep 600" { }`, {
      signal: controller.signal,
      onLog: () => controller.abort(),
    });
    expect(end.endedBy).toBe("cancel");
  });

  test("adds trees, and keeps them by links of its own", async () => {
    const added = await store.addTree(fixture.tree, "tree");
    expect(await store.validPaths([added])).toEqual(new Set([added]));
    await store.addRoots("assignment", [added]);
    const roots = path.join(fixture.directory, "state/gcroots/test");
    const link = path.join(roots, "assignment", path.basename(added));
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await fixture.run("nix-store", ["--query", "--roots", added])).toContain(link);
    await store.removeRoots("assignment");
    expect(await fixture.run("nix-store", ["--query", "--roots", added])).not.toContain(link);
  });
});

test("a daemon that is not there is named", async () => {
  const nix = findNix({
    store: "unix:///nowhere/socket",
    environment: { PATH: process.env["PATH"] },
  });
  await using store = openNixStore({ nix, rootsName: "test", stateDirectory: "/nowhere" });
  const error = await store.pathFacts("/nix/store/x").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DaemonLostError);
  expect(String(error)).toContain("/nowhere/socket");
});

test("a store that builds can not be done in is refused", () => {
  const environment = { PATH: process.env["PATH"] };
  expect(() => findNix({ store: "ssh://host", environment })).toThrow(/ssh:\/\/host/);
});
