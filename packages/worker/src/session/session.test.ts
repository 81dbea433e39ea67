import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openPeersFile } from "../identity/peers-source.ts";
import type { StatusSource } from "../status/server.ts";
import { captureLog } from "../testing/log-capture.ts";
import { ORGANIZATION, TOKEN } from "../testing/offers.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { TestCoordinator } from "../testing/test-coordinator.ts";
import { QUICK_TIMINGS, TestWorker } from "../testing/test-worker.ts";

/** pino's number. */
const WARN = 40;

async function start() {
  const coordinator = await TestCoordinator.start();
  const worker = await TestWorker.start({
    server: coordinator.url,
    directory: await temporaryDirectory(),
  });
  onTestFinished(async () => {
    await worker[Symbol.asyncDispose]();
    await coordinator[Symbol.asyncDispose]();
  });
  return { coordinator, worker };
}

async function logged(worker: TestWorker, message: string): Promise<Record<string, unknown>> {
  return expect
    .poll(() => worker.log.lines().find(({ msg }) => msg === message))
    .toBeDefined()
    .then(() => worker.log.lines().find(({ msg }) => msg === message) ?? {});
}

describe("a session", () => {
  test("begins with hello, and answers the challenge with the organization's token", async () => {
    const { coordinator } = await start();
    const auth = await coordinator.message("auth");
    expect(coordinator.received[0]).toMatchObject({ type: "hello", versions: { min: 1, max: 1 } });
    expect(auth).toMatchObject({
      nonce: "nonce-0",
      tokens: [{ peer: ORGANIZATION, token: TOKEN }],
    });
  });

  test("answers a challenge at any time", async () => {
    const { coordinator, worker } = await start();
    await logged(worker, "session accepted");
    coordinator.challenge();
    expect(await coordinator.message("auth", () => true, 2)).toMatchObject({ nonce: "nonce-1" });
    expect(coordinator.connections).toBe(1);
  });

  test("comes back after the socket broke", async () => {
    const { coordinator, worker } = await start();
    await logged(worker, "session accepted");
    coordinator.dropSocket();
    await coordinator.message("auth", () => true, 2);
    expect(worker.log.messages()).toContain("session lost; running jobs go on");
  });

  test("tells why the coordinator hung up", async () => {
    const { coordinator, worker } = await start();
    await logged(worker, "session accepted");
    coordinator.close(1011, "the coordinator's disk is full");
    const lost = await logged(worker, "session lost; running jobs go on");
    expect(lost["reason"]).toContain("code 1011, the coordinator's disk is full");
  });

  test("gives up a peer that is silent, and dials again", async () => {
    const { coordinator, worker } = await start();
    await logged(worker, "session accepted");
    coordinator.freeze();
    await coordinator.message("hello", () => true, 2);
    const lost = await logged(worker, "session lost; running jobs go on");
    expect(lost["reason"]).toMatch(/^the coordinator was silent for \d+ ms$/);
  });

  test("whose place another one took says so, and comes back ever more slowly", async () => {
    const { coordinator, worker } = await start();
    const refusals = () => worker.log.lines().filter(({ msg }) => msg === "session refused");
    for (const times of [1, 2, 3, 4]) {
      await coordinator.message("auth", () => true, times);
      coordinator.send({ type: "reject", code: "superseded", reason: "a newer one took over" });
      await expect.poll(() => refusals().length).toBe(times);
    }
    const { maxMs } = QUICK_TIMINGS.session.backoff;
    const delays = refusals().map(({ retryInMs }) => Number(retryInMs));
    for (const [index, delay] of delays.entries())
      expect(delay).toBeGreaterThanOrEqual(maxMs * 2 ** index);
    expect(refusals()[0]?.["advice"]).toContain("worker-id");
  });

  test("that cannot be had is told ever more rarely, and why in the status", async () => {
    const coordinator = await TestCoordinator.start();
    const { url } = coordinator;
    await coordinator[Symbol.asyncDispose]();
    const directory = await temporaryDirectory();
    let board: StatusSource | null = null;
    const openStatus = async (source: StatusSource): Promise<AsyncDisposable> => {
      board = source;
      return { [Symbol.asyncDispose]: async () => {} };
    };
    const worker = await TestWorker.start({ server: url, directory, openStatus });
    onTestFinished(() => worker[Symbol.asyncDispose]());
    const failures = () =>
      worker.log.lines().filter(({ msg }) => msg === "cannot connect to the coordinator");
    await expect.poll(() => failures().length).toBeGreaterThanOrEqual(9);
    const told = failures().filter(({ level }) => level === WARN);
    expect(told.slice(0, 4).map(({ tries }) => tries)).toEqual([1, 2, 4, 8]);
    const status = await (board as StatusSource | null)?.status();
    expect(status?.connection.reason).toContain("ECONNREFUSED");
  });

  test("that is refused says why and what to do, without the token", async () => {
    const coordinator = await TestCoordinator.start();
    coordinator.acceptedToken = null;
    const worker = await TestWorker.start({
      server: coordinator.url,
      directory: await temporaryDirectory(),
    });
    onTestFinished(async () => {
      await worker[Symbol.asyncDispose]();
      await coordinator[Symbol.asyncDispose]();
    });
    const line = await logged(worker, "session refused");
    expect(line).toMatchObject({ code: "unauthorized" });
    expect(line["advice"]).toContain("peers file");
    expect(worker.log.text()).not.toContain(TOKEN);
  });

  test("survives frames that it does not understand", async () => {
    const { coordinator, worker } = await start();
    await logged(worker, "session accepted");
    coordinator.sendRaw("{ not json");
    coordinator.sendRaw(JSON.stringify({ type: "from-the-future" }));
    coordinator.sendRaw(Buffer.from([1, 2, 3]));
    coordinator.challenge();
    await coordinator.message("auth", () => true, 2);
    expect(coordinator.connections).toBe(1);
  });
});

describe("without a usable entry in the peers", () => {
  test("the worker does not connect, says so, and connects when there is one", async () => {
    const directory = await temporaryDirectory();
    const coordinator = await TestCoordinator.start();
    const file = join(directory, "peers");
    await writeFile(file, "# nothing\n", { mode: 0o600 });
    const peers = await openPeersFile(file, captureLog().logger);
    const worker = await TestWorker.start({ server: coordinator.url, directory, peers });
    onTestFinished(async () => {
      await worker[Symbol.asyncDispose]();
      await peers[Symbol.asyncDispose]();
      await coordinator[Symbol.asyncDispose]();
    });
    await logged(worker, "the peers have no usable entry; the worker connects when there is one");
    expect(coordinator.connections).toBe(0);
    await writeFile(file, `${ORGANIZATION}:${TOKEN}\n`);
    await coordinator.message("auth");
  });

  test("an entry that goes away ends the session", async () => {
    const directory = await temporaryDirectory();
    const coordinator = await TestCoordinator.start();
    const file = join(directory, "peers");
    await writeFile(file, `${ORGANIZATION}:${TOKEN}\n`, { mode: 0o600 });
    const peers = await openPeersFile(file, captureLog().logger);
    const worker = await TestWorker.start({ server: coordinator.url, directory, peers });
    onTestFinished(async () => {
      await worker[Symbol.asyncDispose]();
      await peers[Symbol.asyncDispose]();
      await coordinator[Symbol.asyncDispose]();
    });
    await logged(worker, "session accepted");
    await writeFile(file, "# revoked\n");
    await logged(worker, "the peers have no usable entry; the worker connects when there is one");
    expect(coordinator.connections).toBe(1);
  });
});
