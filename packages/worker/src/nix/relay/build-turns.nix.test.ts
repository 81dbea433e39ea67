import { appendFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { type RunningProcess, startProcess } from "../../process/start.ts";
import { openUsageMeters } from "../../usage/usage-meters.ts";
import { NixFixture, expression } from "../testing/nix-fixture.ts";
import { StoreRelay } from "./store-relay.ts";

const ACTIVITY_BUILD = 105;
const ACTIVITY_BUILD_WAITING = 111;
const KILL_GRACE_MS = 1000;

/** Two evaluators that import from one derivation, which is built once `open` is called. */
async function evaluateTwice(
  follow: (evaluators: {
    builder: RunningProcess;
    waiting: RunningProcess;
    open: () => Promise<void>;
  }) => Promise<void>,
  made = "echo 7 > $out",
): Promise<string[]> {
  await using fixture = await NixFixture.make(process.env);
  const gate = path.join(fixture.directory, "gate");
  await mkdir(gate);
  const conf = path.join(fixture.directory, "conf", "nix.conf");
  await appendFile(conf, `extra-sandbox-paths = /gate=${gate}\n`);
  const script = `while ! [ -e /gate/open ]; do sleep 0.05; done; ${made}`;
  const text = expression(`import (mk "gated" "${script}" { })`, fixture.tree);
  await using meters = await openUsageMeters();
  const meter = await meters.start("relay", { memoryBytes: null, cores: null });
  const { signal } = new AbortController();
  const stateDirectory = path.join(fixture.directory, "state");
  const logs: string[] = [];
  {
    await using relay = await StoreRelay.open(fixture.nix, { meter, signal, stateDirectory });
    const evaluate = async (): Promise<RunningProcess> => {
      const args = ["--eval", "--read-write-mode", "--log-format", "internal-json", "-E", text];
      const env = relay.nix.environment;
      const evaluator = await startProcess({ command: "nix-instantiate", args, env });
      const index = logs.push("") - 1;
      evaluator.stdout.resume();
      evaluator.stderr.on("data", (chunk: Buffer) => (logs[index] += chunk.toString()));
      return evaluator;
    };
    const builder = await evaluate();
    await vi.waitFor(() => expect(started(ACTIVITY_BUILD, logs[0])).toBe(1), 30_000);
    const waiting = await evaluate();
    await vi.waitFor(() => expect(started(ACTIVITY_BUILD_WAITING, logs[1])).toBe(1), 30_000);
    await follow({ builder, waiting, open: () => writeFile(path.join(gate, "open"), "") });
    for (const each of [builder, waiting]) await each.end(KILL_GRACE_MS);
  }
  await meter.finish([]);
  return logs;
}

function started(type: number, log: string | undefined): number {
  const lines = (log ?? "").split("\n").filter((line) => line.includes('"action":"start"'));
  return lines.filter((line) => line.endsWith(`"type":${type}}`)).length;
}

test("who wants what is built for another evaluator waits for that, and not for Nix to look again", async () => {
  const logs = await evaluateTwice(async ({ builder, waiting, open }) => {
    await open();
    expect(await builder.exit).toEqual({ exitCode: 0, signal: null });
    expect(await waiting.exit).toEqual({ exitCode: 0, signal: null });
  });
  expect(logs.map((log) => started(ACTIVITY_BUILD, log))).toEqual([1, 0]);
  expect(logs[1]).toContain("of another evaluator");
  expect(logs[1]).not.toContain("waiting for lock");
});

test("who wants what has failed meanwhile is told so, and nothing is built again", async () => {
  const failed = { exitCode: 100, signal: null };
  const logs = await evaluateTwice(async ({ builder, waiting, open }) => {
    await open();
    expect(await builder.exit).toEqual(failed);
    expect(await waiting.exit).toEqual(failed);
  }, "exit 3");
  expect(logs.map((log) => started(ACTIVITY_BUILD, log))).toEqual([1, 0]);
  expect(logs[1]).toContain("failed with exit code 3");
});

test("it is built anew when the evaluator that it was built for is killed", async () => {
  const logs = await evaluateTwice(async ({ builder, waiting, open }) => {
    builder.signal("SIGKILL");
    await open();
    expect(await waiting.exit).toEqual({ exitCode: 0, signal: null });
  });
  expect(started(ACTIVITY_BUILD, logs[1])).toBe(1);
});

test("who is killed while it waits leaves no trace", async () => {
  const logs = await evaluateTwice(async ({ builder, waiting, open }) => {
    waiting.signal("SIGKILL");
    await waiting.exit;
    await open();
    expect(await builder.exit).toEqual({ exitCode: 0, signal: null });
  });
  expect(logs.map((log) => started(ACTIVITY_BUILD, log))).toEqual([1, 0]);
});
