import { lstat } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningProcess, startProcess } from "../process/start.ts";
import type { BuildSlot, NixStore, UsageMeters } from "../ports.ts";
import { openUsageMeters } from "../usage/usage-meters.ts";
import { openBuildSlot } from "./build-slot.ts";
import { type NixInstallation, findNix } from "./installation.ts";
import { DaemonLostError } from "./nix-error.ts";
import { openNixStore } from "./store.ts";
import { NixFixture } from "./testing/nix-fixture.ts";

const NO_LIMITS = { timeoutSeconds: null, maxSilentSeconds: null, cores: null, memoryBytes: null };

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
    const environment = { ...fixture.nix.environment, NIX_DAEMON_SOCKET_PATH: socket };
    daemon = await startProcess({ command: "nix-daemon", args: [], env: environment });
    daemon.stdout.resume();
    daemon.stderr.resume();
    nix = await findNix({ store: "daemon", environment });
    const stateDirectory = path.join(fixture.directory, "state");
    store = openNixStore({ nix, rootsName: "test", stateDirectory });
    slot = openBuildSlot({ nix, stateDirectory });
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

  async function build(body: string, signal: AbortSignal, onLog: (text: string) => void) {
    const drvPath = await fixture.instantiate(body);
    const meter = await meters.start("daemon", NO_LIMITS);
    const end = await slot.build({ drvPath, limits: NO_LIMITS, meter, onLog, signal });
    return { end, usage: await meter.finish([]) };
  }

  test("builds, and says that nothing could be measured", async () => {
    let log = "";
    const { end, usage } = await build(
      `mk "far" "echo hello; echo > $out" { }`,
      new AbortController().signal,
      (text) => {
        log += text;
      },
    );
    expect(end.status).toBe(0);
    expect(log).toBe("hello\n");
    expect(usage).toMatchObject({ cpuQuality: "none", cpuUserMs: null, memoryPeakBytes: null });
  });

  test("a build can be cancelled", async () => {
    const controller = new AbortController();
    const { end } = await build(
      `mk "far-endless" "echo started; sleep 600" { }`,
      controller.signal,
      () => controller.abort(),
    );
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
  const nix = await findNix({
    store: "unix:///nowhere/socket",
    environment: { PATH: process.env["PATH"] },
  });
  await using store = openNixStore({ nix, rootsName: "test", stateDirectory: "/nowhere" });
  const error = await store.pathFacts("/nix/store/x").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DaemonLostError);
  expect(String(error)).toContain("/nowhere/socket");
});

test("a store that builds can not be done in is refused", async () => {
  const environment = { PATH: process.env["PATH"] };
  await expect(findNix({ store: "ssh://host", environment })).rejects.toThrow(/ssh:\/\/host/);
});
