import { once } from "node:events";
import { readdir, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { captureLog } from "../testing/log-capture.ts";
import { USAGE } from "../testing/scripted-nix.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { askStatus, askToDrain, askToDrainAndWait } from "./client.ts";
import { recentUsage } from "./recent-usage.ts";
import { STATUS_SOCKET, StatusServer } from "./server.ts";
import { statusLines } from "./status-text.ts";
import type { WorkerStatus } from "./status.ts";

const NOW = 1_800_000_000_000;

const STATUS: WorkerStatus = {
  worker: "8a1c0f6e-0000-4000-8000-000000000001",
  release: "0.1.0",
  nixVersion: "2.8.0",
  pid: 42,
  startedAt: NOW - 125_000,
  isDraining: false,
  slots: { total: 2, busy: 1 },
  connection: {
    server: "wss://farm.example.org/proto",
    isAccepted: true,
    since: NOW - 61_000,
    epoch: 7,
    sessions: 2,
    reason: null,
  },
  jobs: [
    {
      assignment: "a",
      kind: "build",
      subject: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello.drv",
      organization: "o",
      acceptedAt: NOW - 9000,
      phase: "building",
      phaseAt: NOW - 8000,
      usage: { cpuMs: 7900, cores: 0.98, memoryBytes: 310.2 * 2 ** 20, memoryPeakBytes: null },
    },
  ],
  resultsWaiting: 1,
};

async function open(options: { status?: WorkerStatus; metrics?: boolean } = {}) {
  const directory = await temporaryDirectory();
  const state = { status: options.status ?? STATUS, drains: 0 };
  const server = await StatusServer.open({
    source: {
      status: async () => state.status,
      metrics: async () => "x_total 1\n",
    },
    stateDirectory: directory,
    metricsListen: options.metrics === true ? { host: "127.0.0.1", port: 0 } : null,
    onDrain: () => {
      state.drains += 1;
    },
    logger: captureLog().logger,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { directory, server, state };
}

describe("the status socket", () => {
  test("tells the status to its owner alone", async () => {
    const { directory } = await open();
    expect(await askStatus(directory)).toEqual(STATUS);
    const { mode } = await stat(join(directory, STATUS_SOCKET));
    expect(mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual([STATUS_SOCKET]);
  });

  test("takes the place of one that a dead worker left, and leaves none", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, STATUS_SOCKET), "");
    const options = {
      source: { status: async () => STATUS, metrics: async () => "" },
      stateDirectory: directory,
      metricsListen: null,
      onDrain: () => {},
      logger: captureLog().logger,
    };
    const server = await StatusServer.open(options);
    expect((await askStatus(directory)).pid).toBe(42);
    await server[Symbol.asyncDispose]();
    expect(await readdir(directory)).toEqual([]);
  });

  test("without a worker the question has one clear answer", async () => {
    const directory = await temporaryDirectory();
    await expect(askStatus(directory)).rejects.toThrow(
      `no worker answers at ${join(directory, STATUS_SOCKET)}`,
    );
  });

  test("a state directory with a long path is refused with a reason", async () => {
    const directory = join(await temporaryDirectory(), "x".repeat(100));
    const opening = StatusServer.open({
      source: { status: async () => STATUS, metrics: async () => "" },
      stateDirectory: directory,
      metricsListen: null,
      onDrain: () => {},
      logger: captureLog().logger,
    });
    await expect(opening).rejects.toThrow("path is too long");
  });

  test("a drain is asked for once, and who waits is told when the worker ends", async () => {
    const { directory, server, state } = await open();
    expect(await askToDrain(directory)).toEqual(STATUS);
    expect(state.drains).toBe(1);
    let onHeard = (): void => {};
    const heard = new Promise<void>((resolve) => {
      onHeard = resolve;
    });
    const waiting = askToDrainAndWait(directory, () => onHeard());
    await heard;
    expect(state.drains).toBe(2);
    state.status = { ...STATUS, isDraining: true, jobs: [], resultsWaiting: 0 };
    await server[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ isDraining: true, jobs: [], resultsWaiting: 0 });
  });

  test("metrics are on the socket and, when asked for, on a port that shows nothing else", async () => {
    const { server } = await open({ metrics: true });
    const base = `http://127.0.0.1:${server.metricsPort}`;
    const answer = await fetch(`${base}/metrics`);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await answer.text()).toBe("x_total 1\n");
    for (const [method, path] of [
      ["GET", "/status"],
      ["POST", "/drain"],
    ]) {
      expect((await fetch(`${base}${path}`, { method: method ?? "" })).status).toBe(404);
    }
  });

  test("who connects and never asks, or never reads, does not hold up the end of the worker", async () => {
    const { server } = await open({ metrics: true });
    const silent = connect(server.metricsPort ?? 0, "127.0.0.1");
    const slow = connect(server.metricsPort ?? 0, "127.0.0.1");
    onTestFinished(() => {
      silent.destroy();
      slow.destroy();
    });
    await Promise.all([once(silent, "connect"), once(slow, "connect")]);
    slow.write("GET /metrics HTTP/1.1\r\n");
    // An answer says that the connections before it were taken.
    await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`);
    const gone = Promise.all([once(silent, "close"), once(slow, "close")]);
    await expect(server[Symbol.asyncDispose]()).resolves.toBeUndefined();
    await gone;
  });

  test("a port that is taken is named", async () => {
    const { server } = await open({ metrics: true });
    const port = server.metricsPort ?? 0;
    const opening = StatusServer.open({
      source: { status: async () => STATUS, metrics: async () => "" },
      stateDirectory: await temporaryDirectory(),
      metricsListen: { host: "127.0.0.1", port },
      onDrain: () => {},
      logger: captureLog().logger,
    });
    await expect(opening).rejects.toThrow(`cannot serve metrics on 127.0.0.1:${port}`);
  });
});

test("the status for people says what runs, with what, and who is connected", () => {
  expect(statusLines(STATUS, NOW).join("\n"))
    .toBe(`worker       8a1c0f6e-0000-4000-8000-000000000001
release      0.1.0, Nix 2.8.0, process 42
running      for 2 min 5 s
coordinator  wss://farm.example.org/proto, accepted for 61.0 s, epoch 7
slots        1 of 2 in use
waiting      1 result to be acknowledged

job    phase     for     CPU     now         memory     about
build  building  8.00 s  7.90 s  0.98 cores  310.2 MiB  /nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello.drv`);
});

test("the status for people says why there is no connection", () => {
  const reason = "no token was accepted";
  const connection = { ...STATUS.connection, isAccepted: false, reason };
  expect(statusLines({ ...STATUS, connection }, NOW).join("\n")).toContain(
    "wss://farm.example.org/proto, not connected for 61.0 s: no token was accepted",
  );
});

test("what a build uses now is what it used in the last seconds", () => {
  const series = [1000, 2000, 3000, 4000].map((atMs, index) => ({
    atMs,
    cpuMs: [1000, 2000, 2000, 4000][index] ?? 0,
    memoryBytes: index,
  }));
  const usage = recentUsage({ ...USAGE, series, cpuUserMs: 3, cpuSystemMs: 1 });
  expect(usage).toMatchObject({ cores: 1, memoryBytes: 3, cpuMs: 4 });
  expect(recentUsage({ ...USAGE, series: [], cpuUserMs: null, cpuSystemMs: null })).toMatchObject({
    cores: null,
    cpuMs: null,
    memoryBytes: null,
  });
});
