import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EvaluatedJob } from "@gradient/protocol";
import { v7 as uuidV7 } from "uuid";
import { describe, expect, test } from "vitest";
import { captureLog } from "../testing/log-capture.ts";
import { Offers, recordOf, storePath } from "../testing/offers.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { Journal } from "./journal.ts";

const offers = new Offers();
const DRV = storePath("hello.drv");
const { logger } = captureLog();

async function openJournal(directory?: string) {
  const path = directory ?? join(await temporaryDirectory(), "journal");
  return { path, journal: await Journal.open(path, logger) };
}

describe("after a restart", () => {
  test("work that was running has failed, and says in what phase", async () => {
    const { path, journal } = await openJournal();
    const entry = journal.create(recordOf(offers.build(DRV)));
    entry.setPhase("building", 2000);
    entry.log.append("half of a log\n");
    entry.log.flush();
    await entry.addBatch([], []);

    const again = await openJournal(path);
    const found = again.journal.get(entry.record.assignment);
    expect(found?.result).toMatchObject({
      kind: "build",
      outcome: "internal_error",
      message: `the worker restarted while building ${DRV}`,
      isInterruption: true,
      logBytes: 14,
      usage: null,
    });
    expect(found?.record).toEqual(entry.record);
    expect((await found?.log.read(0, 100))?.text).toBe("half of a log\n");
  });

  test("an evaluation that was running has failed for the time being, with the batches it had", async () => {
    const { path, journal } = await openJournal();
    const entry = journal.create(recordOf(offers.eval(storePath("source"))));
    const job: EvaluatedJob = { outcome: "error", attribute: ["a"], error: "bad" };
    await entry.addBatch([job], []);
    await entry.addBatch([], [{ level: "Notice", text: "hm" }]);
    await entry.acknowledgeBatch(0);

    const found = (await openJournal(path)).journal.get(entry.record.assignment);
    expect(found?.result).toMatchObject({
      kind: "eval",
      batches: 2,
      failure: { isTransient: true },
    });
    expect(found?.batches).toEqual([
      { sequence: 1, jobs: [], messages: [{ level: "Notice", text: "hm" }] },
    ]);
  });

  test("a result is there as it was", async () => {
    const { path, journal } = await openJournal();
    const entry = journal.create(recordOf(offers.sign([DRV])));
    const result = { kind: "sign", failure: null, signatures: [] } as const;
    await entry.finish({ ...result, signatures: [] });
    const found = (await openJournal(path)).journal.get(entry.record.assignment);
    expect(found?.result).toEqual(result);
  });

  test("what was acknowledged is gone", async () => {
    const { path, journal } = await openJournal();
    const entry = journal.create(recordOf(offers.build(DRV)));
    await journal.remove(entry);
    expect(await readdir(path)).toEqual([]);
    expect((await openJournal(path)).journal.entries()).toEqual([]);
  });

  test("a directory that was never finished is removed, a foreign one is left alone", async () => {
    const { path, journal } = await openJournal();
    const entry = journal.create(recordOf(offers.build(DRV)));
    await writeFile(join(path, entry.record.assignment, "spec.json"), "{ torn");
    await mkdir(join(path, "lost+found"));
    await mkdir(join(path, uuidV7(), "spec.json"), { recursive: true });
    await writeFile(join(path, uuidV7()), "no directory");
    const again = await openJournal(path);
    expect(again.journal.entries()).toEqual([]);
    expect(await readdir(path)).toEqual(["lost+found"]);
  });
});

test("credentials are never written", async () => {
  const { path, journal } = await openJournal();
  const credentials = { sshPrivateKey: "very secret", knownHosts: null };
  const record = recordOf(offers.fetch("ssh://host/repository", { credentials }));
  const entry = journal.create(record);
  const written = await readFile(join(path, record.assignment, "spec.json"), "utf8");
  expect(written).not.toContain("very secret");
  expect(entry.record.spec).toMatchObject({ credentials: null });
});

test("what could not be written down was not accepted, and leaves nothing behind", async () => {
  const { path, journal } = await openJournal();
  const record = recordOf(offers.build(DRV));
  const unwritable = { ...record, spec: { ...record.spec, toJSON: () => throwText("no space") } };
  expect(() => journal.create(unwritable)).toThrow("no space");
  expect(await readdir(path)).toEqual([]);
  expect(journal.get(record.assignment)).toBeUndefined();
  journal.create(record);
});

test("writes that come after an entry was forgotten leave nothing behind", async () => {
  const { path, journal } = await openJournal();
  const entry = journal.create(recordOf(offers.build(DRV)));
  const removal = journal.remove(entry);
  entry.setPhase("uploading", 3000);
  await entry.addBatch([], []);
  await removal;
  expect(await readdir(path)).toEqual([]);
});

function throwText(text: string): never {
  throw new Error(text);
}
