import { readdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { UserError } from "./errors.ts";
import { Journal } from "./journal/journal.ts";
import { captureLog } from "./testing/log-capture.ts";
import { Offers, recordOf, storePath } from "./testing/offers.ts";
import { ScriptedStore } from "./testing/scripted-nix.ts";
import { temporaryDirectory } from "./testing/temporary-directory.ts";
import { TestCoordinator } from "./testing/test-coordinator.ts";
import { TestWorker } from "./testing/test-worker.ts";

/** Nobody listens there. */
const NOWHERE = new URL("ws://127.0.0.1:9/proto");

/** A worker that its coordinator has accepted. */
async function connected(): Promise<{ coordinator: TestCoordinator; worker: TestWorker }> {
  const coordinator = await TestCoordinator.start();
  onTestFinished(() => coordinator[Symbol.asyncDispose]());
  const directory = await temporaryDirectory();
  const worker = await TestWorker.start({ server: coordinator.url, directory });
  onTestFinished(() => worker[Symbol.asyncDispose]());
  await coordinator.message("auth");
  return { coordinator, worker };
}

test("a daemon that does not start after all has begun nothing that an earlier one left", async () => {
  const directory = await temporaryDirectory();
  const journal = await Journal.open(join(directory, "journal"), captureLog().logger);
  const entry = journal.create(recordOf(new Offers().build(storePath("left.drv"))));
  const openStatus = async () => Promise.reject(new UserError("metrics", "the port is taken"));
  const worker = await TestWorker.start({ server: NOWHERE, directory, journal, openStatus });
  await expect(worker.ended).rejects.toThrow("the port is taken");
  expect(entry.progress.resumes).toBe(0);
  expect(entry.result).toBeNull();
});

test("the log of a build that goes on is left to the process that writes it", async () => {
  const directory = await temporaryDirectory();
  const store = new ScriptedStore(join(directory, "store"));
  const { drvPath } = await store.addDerivation("loud");
  const journal = await Journal.open(join(directory, "journal"), captureLog().logger);
  const entry = journal.create(recordOf(new Offers().build(drvPath)));
  const worker = await TestWorker.start({ server: NOWHERE, directory, journal, store });
  await worker.builds.started();
  // As of a log that is longer than its head may be: what came last lies beside it.
  await writeFile(join(entry.directory, "log"), "head\n");
  await writeFile(join(entry.directory, "log.tail.5.0"), "the last lines\n");
  entry.log.grewTo(2 ** 26);
  worker.leave.abort();
  await worker.ended;
  expect(await readdir(entry.directory)).toContain("log.tail.5.0");
  expect(entry.result).toBeNull();
});

test("a worker that leaves takes nothing new while it ends what runs", async () => {
  const { coordinator, worker } = await connected();
  let goOn = (): void => undefined;
  const begun = new Promise<void>((begin) => {
    worker.store.addRoots = () => {
      begin();
      return new Promise((resolve) => {
        goOn = resolve;
      });
    };
  });
  const offers = new Offers();
  const paths = [storePath("signed")];
  coordinator.send(offers.sign(paths));
  await begun;
  worker.leave.abort();
  const late = offers.sign(paths);
  coordinator.send(late);
  const { assignment } = await coordinator.message("decline");
  expect(assignment).toBe(late.assignment);
  goOn();
  await worker.ended;
});

test("what the first job would wait for starts with the daemon", async () => {
  const directory = await temporaryDirectory();
  const worker = await TestWorker.start({ server: NOWHERE, directory });
  await expect.poll(() => worker.builds.slots).toBe(1);
});

test("a failed fetch is logged once, as a warning", async () => {
  const { coordinator, worker } = await connected();
  coordinator.send(new Offers().fetch("file:///project"));
  await coordinator.message("result");
  const told = worker.log.lines().filter((line) => JSON.stringify(line).includes("not allowed"));
  expect(told).toMatchObject([{ level: 40, msg: "assignment finished" }]);
});

test("a repository whose server answers nothing keeps no other one waiting", async () => {
  const silent = createServer(() => undefined);
  onTestFinished(() => void silent.close());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo;
  const { coordinator } = await connected();
  const offers = new Offers();
  coordinator.send(offers.fetch(`git://127.0.0.1:${port}/project`));
  const other = offers.fetch("file:///project");
  coordinator.send(other);
  const { assignment } = await coordinator.message("result");
  expect(assignment).toBe(other.assignment);
});
