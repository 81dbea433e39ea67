import { access, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Offer, RestoreResult } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { checkStore } from "../collection/check-store.ts";
import { noProgress, type Progress } from "../collection/progress.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { CheckView } from "../db/check-view.ts";
import { prepareFindNarFile } from "../db/cache-nar-file-repository.ts";
import { narinfoText } from "../http/routes/cache/narinfo-text.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { narName } from "../storage/nar-storage.ts";
import { makeSource, type TestObject } from "../test-objects.test-support.ts";
import {
  finishEvaluation,
  finishFetch,
  openScene,
  type Scene,
} from "../test-scene.test-support.ts";
import { expectOk, type TestWorker } from "../test-worker.test-support.ts";
import { Restoration } from "./restoration.ts";

const BACK_MS = 20_000;
const CAN = { features: ["restore"] };

let scene: Scene;
let clock: ManualClock;
let source: TestObject;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock, leaseMs: 100_000, times: { workersBackMs: BACK_MS } });
  source = await makeSource("source", "a tree");
  await publish(source);
  await scene.worker.connect(CAN);
  await clock.advance(BACK_MS);
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

/** Does a fetch and an evaluation: the source is in the cache then, and nothing is left to do. */
async function publish(object: TestObject): Promise<void> {
  const { farm, organization, worker } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  const offer = await worker.takeOffer("fetch");
  await worker.uploadSources(offer.assignment, object);
  finishFetch(worker, offer, object.facts.path);
  await worker.next("ack");
  finishEvaluation(worker, await worker.takeOffer("eval"), 0);
  await worker.next("ack");
}

async function addWorker(organization = scene.organization.id, change: object = CAN) {
  const worker = await scene.farm.addWorker(organization);
  await worker.connect(change);
  return worker;
}

function hashOf({ facts }: TestObject): string {
  return facts.narHash.slice("sha256:".length);
}

function fileOf(object: TestObject): string {
  return join(scene.farm.dataDir, "nar", narName(hashOf(object)));
}

/** Begins a check; resolves to its report. */
async function check(isRepair: boolean, signal?: AbortSignal): Promise<Progress> {
  const { farm } = scene.farm;
  const progress = noProgress();
  const run = { progress, signal: signal ?? new AbortController().signal };
  const restoration = new Restoration(farm.restoring, { isTrial: !isRepair, signal: run.signal });
  const { intake, nars: files } = farm;
  const view = new CheckView(scene.farm.database);
  await checkStore({ view, files, intake, clock, isRepair, restoration, ...run });
  return progress;
}

function answer(
  worker: TestWorker,
  { assignment, fencing, spec }: Offer,
  problem: string | null,
  change: Partial<RestoreResult> = {},
): void {
  if (spec.kind !== "restore") throw new Error(`the offer is a ${spec.kind}`);
  const paths = spec.paths.map(({ path }) => ({ path, problem }));
  const result = { kind: "restore", failure: null, paths, ...change } as const;
  worker.send({ type: "result", assignment, fencing, result });
}

/** The worker does what it is asked for. */
async function bringBack(worker: TestWorker, object: TestObject): Promise<Offer> {
  const offer = await worker.takeOffer("restore");
  await expectOk(await worker.uploadNar(offer.assignment, object));
  answer(worker, offer, null);
  return offer;
}

function narinfo(object: TestObject): string | null {
  const hash = object.facts.path.slice("/nix/store/".length, "/nix/store/".length + 32);
  const path = new CacheSurfaceView(scene.farm.database).findPath(scene.organization.cache, hash);
  return path === undefined ? null : narinfoText(path);
}

async function leases(): Promise<number> {
  const rows = await scene.farm.database.kysely.selectFrom("assignments").select("id").execute();
  return rows.length;
}

describe("a damaged NAR", () => {
  test("is brought back by a worker that has it", async () => {
    await writeFile(fileOf(source), source.body.subarray(0, -3));
    const checked = check(true);
    const offer = await bringBack(scene.worker, source);
    const { path, narHash, narSize } = source.facts;
    expect(offer.spec).toEqual({
      kind: "restore",
      isTrial: false,
      paths: [{ path, narHash, narSize }],
    });
    const report = await checked;
    expect(report).toMatchObject({ problems: 1, repaired: 1, paths: 0 });
    expect(report.named[1]).toBe(
      `${narHash} (${path}) was brought back by worker ${scene.worker.id}`,
    );
    expect(await readFile(fileOf(source))).toEqual(source.body);
    expect(await check(false)).toMatchObject({ checkedFiles: 1, problems: 0 });
    expect(await leases()).toBe(0);
  });

  test("may come back in another file: narinfos say so, and the name before is still answered", async () => {
    const { database } = scene.farm;
    const [, before = ""] = /^FileHash: sha256:(.*)$/m.exec(narinfo(source) ?? "") ?? [];
    await writeFile(fileOf(source), "something else");
    const other = { ...source, body: Buffer.from(compress(source.nar, { compressionLevel: 19 })) };
    other.body = Buffer.concat([other.body, Buffer.from(compress(Buffer.alloc(0)))]);
    const checked = check(true);
    await bringBack(scene.worker, other);
    expect(await checked).toMatchObject({ repaired: 1 });
    const text = narinfo(source) ?? "";
    expect(text).toContain(`FileSize: ${other.body.length}\n`);
    expect(text).not.toContain(before);
    const given = prepareFindNarFile(database)(scene.organization.cache, before);
    expect(given).toMatchObject({ narHash: hashOf(source), compression: "zstd" });
    const totals = await database.kysely
      .selectFrom("cache_totals")
      .select("file_bytes as bytes")
      .union(database.kysely.selectFrom("nar_totals").select("file_bytes as bytes"))
      .execute();
    expect(totals).toEqual([{ bytes: other.body.length }]);
    expect(await check(false)).toMatchObject({ problems: 0 });
  });

  test("stays where it is until other bytes were found right", async () => {
    await writeFile(fileOf(source), "something else");
    const checked = check(true);
    const offer = await scene.worker.takeOffer("restore");
    const false_ = { ...source, body: (await makeSource("source", "another")).body };
    expect((await scene.worker.uploadNar(offer.assignment, false_)).status).toBe(422);
    expect(await readFile(fileOf(source), "utf8")).toBe("something else");
    // It is not what the worker says that counts.
    answer(scene.worker, offer, null);
    expect(await checked).toMatchObject({ repaired: 0, paths: 1 });
    expect(narinfo(source)).toBeNull();
  });

  test("is taken out of the caches when nobody has it, with the reason of each", async () => {
    const other = await addWorker();
    await writeFile(fileOf(source), "something else");
    const checked = check(true);
    answer(scene.worker, await scene.worker.takeOffer("restore"), "it is not in this store");
    answer(other, await other.takeOffer("restore"), "damaged\u001b[2J\nhere, too");
    const report = await checked;
    expect(report).toMatchObject({ repaired: 0, paths: 1 });
    expect(report.named[1]).toContain(`worker ${scene.worker.id}: it is not in this store; `);
    expect(report.named[1]).toContain(`worker ${other.id}: damaged [2J here, too`);
    expect(narinfo(source)).toBeNull();
  });

  test("is only asked for without repair", async () => {
    await writeFile(fileOf(source), "something else");
    const checked = check(false);
    const offer = await scene.worker.takeOffer("restore");
    expect(offer.spec).toMatchObject({ isTrial: true });
    answer(scene.worker, offer, null);
    const report = await checked;
    expect(report).toMatchObject({ problems: 1, repaired: 1, paths: 0 });
    expect(report.named[1]).toContain(`can be brought back by worker ${scene.worker.id}`);
    expect(await readFile(fileOf(source), "utf8")).toBe("something else");
  });
});

test("a missing NAR is brought back, and meanwhile nobody is told that it need not be sent", async () => {
  await unlink(fileOf(source));
  const checked = check(true);
  const offer = await scene.worker.takeOffer("restore");
  const ask = () =>
    scene.worker.transfer("POST", "/nars/held", offer.assignment, {
      narHashes: [source.facts.narHash],
    });
  expect(await (await ask()).json()).toEqual({ held: [] });
  await expectOk(await scene.worker.uploadNar(offer.assignment, source));
  expect(await (await ask()).json()).toEqual({ held: [source.facts.narHash] });
  answer(scene.worker, offer, null);
  expect(await checked).toMatchObject({ repaired: 1 });
  await access(fileOf(source));
});

describe("whom it is asked of", () => {
  const stranger = async () => addWorker((await scene.farm.addOrganization()).id);

  test("not the workers of organizations that may not see the path", async () => {
    const foreign = await stranger();
    await writeFile(fileOf(source), "something else");
    const checked = check(true);
    answer(scene.worker, await scene.worker.takeOffer("restore"), "no");
    const report = await checked;
    expect(report.named[1]).not.toContain(foreign.id);
    await foreign.settle();
    expect(foreign.pending("offer")).toBe(0);
  });

  test("those of all organizations when a public cache shows it, and not when it holds it hidden", async () => {
    const { kysely } = scene.farm.database;
    await kysely.updateTable("caches").set({ public: 1 }).execute();
    await scene.worker.drop();
    const foreign = await stranger();
    await writeFile(fileOf(source), "something else");
    const seen = check(false);
    answer(foreign, await foreign.takeOffer("restore"), null);
    expect(await seen).toMatchObject({ repaired: 1 });
    await kysely.updateTable("cache_paths").set({ is_hidden: 1 }).execute();
    const report = await check(false);
    expect(report).toMatchObject({ repaired: 0 });
    expect(report.named[1]).toContain("no worker of an organization that may see it is connected");
  });

  test("not those of a release that does not know the question, nor those that drain", async () => {
    const old = await addWorker(undefined, { features: [] });
    const draining = await addWorker(undefined, { ...CAN, isDraining: true });
    await writeFile(fileOf(source), "something else");
    const checked = check(true);
    answer(scene.worker, await scene.worker.takeOffer("restore"), "no");
    const report = await checked;
    expect(report.named[1]).toContain(`worker ${old.id}: its release cannot bring paths back`);
    expect(report.named[1]).toContain(`worker ${draining.id}: it is draining`);
    expect(old.pending("offer") + draining.pending("offer")).toBe(0);
  });
});

describe("the next worker is asked", () => {
  let next: TestWorker;
  beforeEach(async () => {
    next = await addWorker();
    await writeFile(fileOf(source), "something else");
  });

  const askNext = async (checked: Promise<Progress>) => {
    await bringBack(next, source);
    const { repaired, paths } = await checked;
    return { repaired, paths, leases: await leases() };
  };
  const mended = { repaired: 1, paths: 0, leases: 0 };

  test("when one declines", async () => {
    const checked = check(true);
    const { assignment, fencing } = await scene.worker.next("offer");
    scene.worker.send({ type: "decline", assignment, fencing, reason: "no room" });
    expect(await askNext(checked)).toEqual(mended);
  });

  test("when one fails", async () => {
    const checked = check(true);
    const failure = { message: "the worker restarted", isTransient: true };
    answer(scene.worker, await scene.worker.takeOffer("restore"), null, { failure, paths: [] });
    expect(await askNext(checked)).toEqual(mended);
  });

  test("when one goes away in the middle and does not come back", async () => {
    const checked = check(true);
    await scene.worker.takeOffer("restore");
    await scene.worker.settle();
    await scene.worker.drop();
    await clock.advance(BACK_MS);
    expect(await askNext(checked)).toEqual(mended);
  });

  test("when one never answers; it is told to stop", async () => {
    const checked = check(true);
    const { fencing } = await scene.worker.takeOffer("restore");
    await scene.worker.settle();
    await clock.advance(121_000);
    expect(await scene.worker.next("cancel")).toMatchObject({ fencing });
    expect(await askNext(checked)).toEqual(mended);
  });

  test("and not the same one for the next NAR when it did not answer", async () => {
    const large = { ...source.facts, narSize: 2 ** 30 };
    const restoration = new Restoration(scene.farm.farm.restoring, {
      isTrial: true,
      signal: new AbortController().signal,
    });
    const nar = { narHash: hashOf(source), narSize: large.narSize };
    const first = restoration.restore([nar]);
    const offer = await scene.worker.takeOffer("restore");
    const failure = { message: "the disk is gone", isTransient: false };
    answer(scene.worker, offer, null, { failure, paths: [] });
    answer(next, await next.takeOffer("restore"), "no");
    expect(await first).toMatchObject([{ isRestored: false }]);
    const second = restoration.restore([nar]);
    answer(next, await next.takeOffer("restore"), null);
    expect(await second).toMatchObject([{ isRestored: true }]);
    expect(scene.worker.pending("offer")).toBe(0);
  });
});

test("a worker that is back soon goes on", async () => {
  await writeFile(fileOf(source), "something else");
  const checked = check(true);
  const offer = await scene.worker.takeOffer("restore");
  await scene.worker.settle();
  await scene.worker.drop();
  await clock.advance(BACK_MS / 4);
  const { assignment, fencing } = offer;
  const state = "running" as const;
  const welcome = await scene.worker.connect({
    ...CAN,
    assignments: [{ assignment, fencing, state }],
  });
  expect(welcome.reconcile).toMatchObject([{ action: "keep" }]);
  await clock.advance(BACK_MS);
  await expectOk(await scene.worker.uploadNar(assignment, source));
  answer(scene.worker, offer, null);
  expect(await checked).toMatchObject({ repaired: 1 });
});

test("a check that is stopped takes its question back, and a new process knows nothing of it", async () => {
  await writeFile(fileOf(source), "something else");
  const stop = new AbortController();
  const checked = check(true, stop.signal);
  const { assignment, fencing } = await scene.worker.takeOffer("restore");
  await scene.worker.settle();
  stop.abort(new Error("the coordinator stops"));
  await expect(checked).rejects.toThrow("the coordinator stops");
  expect(await scene.worker.next("cancel")).toMatchObject({ fencing });
  expect(await readFile(fileOf(source), "utf8")).toBe("something else");

  // Killed, in place of stopped.
  const begun = check(true);
  const again = await scene.worker.takeOffer("restore");
  await scene.worker.settle();
  begun.catch(() => undefined);
  await scene.farm.stop();
  await scene.farm.start();
  expect(await leases()).toBe(0);
  const { reconcile } = await scene.worker.connect({
    ...CAN,
    assignments: [{ assignment: again.assignment, fencing: again.fencing, state: "running" }],
  });
  expect(reconcile).toMatchObject([{ action: "cancel" }]);
  expect(assignment).not.toBe(again.assignment);
});

describe("after a start workers are given time to come back", () => {
  let other: TestWorker;
  beforeEach(async () => {
    other = await addWorker();
    await scene.farm.stop();
    await scene.farm.start();
    await writeFile(fileOf(source), "something else");
  });

  test("all that were there", async () => {
    const checked = check(true);
    await other.connect(CAN);
    await clock.advance(BACK_MS / 2);
    await other.settle();
    expect(other.pending("offer")).toBe(0);
    await scene.worker.connect(CAN);
    await somebodyIsAsked();
    await bringBack(other, source);
    expect(await checked).toMatchObject({ repaired: 1 });
  });

  test("but not for ever", async () => {
    const checked = check(true);
    await other.connect(CAN);
    await clock.advance(BACK_MS);
    await somebodyIsAsked();
    await bringBack(other, source);
    expect(await checked).toMatchObject({ repaired: 1 });
  });

  /** The check may begin to wait at any moment: time goes on until it has asked, and no longer, or the answer would be late. */
  async function somebodyIsAsked(): Promise<void> {
    while ((await leases()) === 0) {
      await clock.advance(1000);
      await nextTurn();
    }
  }
});

test("what the disk cannot read any more is brought back, and never taken away for that", async () => {
  const { farm, database } = scene.farm;
  const failing = Object.assign(new Error("i/o error, read"), { code: "EIO" });
  const files = Object.create(farm.nars, {
    read: { value: () => Promise.reject(failing) },
    hashes: { value: async function* () {} },
  }) as typeof farm.nars;
  const progress = noProgress();
  const { signal } = new AbortController();
  const restoration = new Restoration(farm.restoring, { isTrial: false, signal });
  const view = new CheckView(database);
  const { intake } = farm;
  const run = { view, files, intake, clock, isRepair: true, restoration, progress, signal };
  const refused = checkStore(run);
  answer(scene.worker, await scene.worker.takeOffer("restore"), "no");
  await refused;
  expect(progress).toMatchObject({ problems: 1, repaired: 0, paths: 0 });
  const checked = checkStore(run);
  await bringBack(scene.worker, source);
  await checked;
  expect(progress).toMatchObject({ repaired: 1, paths: 0 });
});
