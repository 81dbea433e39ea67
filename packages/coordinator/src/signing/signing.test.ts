import { PublicKey, SecretKey, fingerprint, type Offer, type SignResult } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { narinfoText } from "../http/routes/cache/narinfo-text.ts";
import { ConflictError } from "../errors.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { makeDerivation, makeSource, type TestObject } from "../test-objects.test-support.ts";
import {
  finishEvaluation,
  finishFetch,
  openScene,
  type Scene,
} from "../test-scene.test-support.ts";
import { expectOk } from "../test-worker.test-support.ts";
import { approveKey } from "../workers/approve-key.ts";

const LEASE_MS = 100_000;

let scene: Scene;
let clock: ManualClock;

beforeEach(async () => {
  clock = new ManualClock();
  scene = await openScene({ clock, leaseMs: LEASE_MS });
});

afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});

/** Does a fetch that publishes the sources without signatures. The worker has the offer of the evaluation then. */
async function publish(...sources: TestObject[]): Promise<Offer> {
  const { farm, organization, worker } = scene;
  await farm.farm.evaluations.start({ projectId: organization.project, triggeredBy: null });
  const offer = await worker.takeOffer("fetch");
  const { assignment } = offer;
  for (const source of sources) await expectOk(await worker.uploadNar(assignment, source));
  const paths = sources.map(({ facts }) => facts);
  await expectOk(await worker.transfer("POST", "/paths", assignment, { paths }));
  finishFetch(worker, offer, sources[0]?.facts.path ?? null);
  await worker.next("ack");
  return worker.takeOffer("eval");
}

/** The same, and the evaluation after it, so that the worker has nothing else to do. */
async function publishAndIdle(...sources: TestObject[]): Promise<void> {
  const offer = await publish(...sources);
  finishEvaluation(scene.worker, offer, 0);
  await scene.worker.next("ack");
}

function sourcesNamed(...names: string[]): Promise<TestObject[]> {
  return Promise.all(names.map((name) => makeSource(name, name)));
}

async function sourceNamed(name: string): Promise<TestObject> {
  return makeSource(name, name);
}

function pathsOf({ spec }: Offer): string[] {
  if (spec.kind !== "sign") throw new Error(`the offer is a ${spec.kind}, not a sign`);
  return spec.paths;
}

function signatureOf(source: TestObject, key: SecretKey = scene.worker.key) {
  return { path: source.facts.path, signature: key.sign(fingerprint(source.facts)) };
}

function sendSigned({ assignment, fencing }: Offer, result: Omit<SignResult, "kind">): void {
  scene.worker.send({ type: "result", assignment, fencing, result: { kind: "sign", ...result } });
}

/** Names of the keys that have signed what the cache shows of the path, as its narinfo has them. */
function signers(source: TestObject, cache = scene.organization.cache): string[] {
  const { farm, worker } = scene;
  const hash = source.facts.path.slice("/nix/store/".length).slice(0, 32);
  const path = new CacheSurfaceView(farm.database).findPath(cache, hash);
  if (path === undefined) throw new Error(`the cache does not show ${source.facts.path}`);
  const text = fingerprint(source.facts);
  const keys = [farm.cacheKey(cache), worker.key].map(({ publicKey }) => publicKey);
  return [...narinfoText(path).matchAll(/^Sig: (?<signature>.*)$/gm)].map(({ groups }) => {
    const key = keys.find((each: PublicKey) => each.verifies(text, groups?.["signature"] ?? ""));
    return key?.keyName ?? "nobody";
  });
}

const cacheOnly = () => [scene.farm.cacheKey(scene.organization.cache).keyName];
const cacheAndWorker = () => [...cacheOnly(), scene.worker.key.keyName];

async function listed(): Promise<string[]> {
  const rows = await scene.farm.database.kysely
    .selectFrom("unsigned_paths")
    .select("path")
    .execute();
  return rows.map(({ path }) => path.slice(33)).toSorted();
}

async function nothingIsOffered(): Promise<void> {
  await clock.advance(5000);
  await scene.worker.settle();
  expect(scene.worker.pending("offer")).toBe(0);
}

describe("a path that was published without the worker's signature", () => {
  test("is offered to that worker for signing, and its narinfo then has both signatures", async () => {
    const source = await sourceNamed("source");
    await publishAndIdle(source);
    expect(signers(source)).toEqual(cacheOnly());
    const offer = await scene.worker.takeOffer("sign");
    expect(pathsOf(offer)).toEqual([source.facts.path]);
    sendSigned(offer, { failure: null, signatures: [signatureOf(source)] });
    expect(await scene.worker.next("ack")).toMatchObject({ accepted: true, reason: null });
    expect(signers(source)).toEqual(cacheAndWorker());
    expect(await listed()).toEqual([]);
    await nothingIsOffered();
  });

  test("is signed in every cache of the organization that shows it", async () => {
    const { farm, organization, worker } = scene;
    const second = await farm.addCache(organization.id);
    const source = await sourceNamed("source");
    await publishAndIdle(source);
    const offer = await worker.takeOffer("sign");
    sendSigned(offer, { failure: null, signatures: [signatureOf(source)] });
    await worker.next("ack");
    expect(signers(source)).toEqual(cacheAndWorker());
    expect(signers(source, second)).toEqual([farm.cacheKey(second).keyName, worker.key.keyName]);
  });

  test("waits until the worker has neither fetch nor evaluation, but not for ever", async () => {
    const source = await sourceNamed("source");
    await publish(source);
    await nothingIsOffered();
    await clock.advance(60_000);
    expect(pathsOf(await scene.worker.takeOffer("sign"))).toEqual([source.facts.path]);
  });

  test("is offered in batches of at most 100, one at a time", async () => {
    const { farm, organization, worker } = scene;
    await publishAndIdle(await sourceNamed("source"));
    const rows = Array.from({ length: 150 }, (_, n) => ({
      organization_id: organization.id,
      path: `${String(n).padStart(32, "0")}-more`,
      worker_id: worker.id,
      due_at: 0,
    }));
    const first = await worker.takeOffer("sign");
    await farm.database.kysely.insertInto("unsigned_paths").values(rows).execute();
    sendSigned(first, { failure: null, signatures: [] });
    const second = await worker.takeOffer("sign");
    expect(pathsOf(second)).toHaveLength(100);
    await nothingIsOffered();
    sendSigned(second, { failure: null, signatures: [] });
    expect(pathsOf(await worker.takeOffer("sign"))).toHaveLength(50);
  });

  test("is not offered where the organization has switched building off", async () => {
    const { farm, worker } = scene;
    const registrations = farm.database.kysely.updateTable("worker_registrations");
    await registrations.set({ enable_build: 0 }).execute();
    await worker.drop();
    await worker.connect();
    await publishAndIdle(await sourceNamed("source"));
    await nothingIsOffered();
    expect(await listed()).toEqual(["source"]);
  });
});

test("a derivation that came in a bundle is not signed by workers, nor what was published with a signature", async () => {
  const { worker } = scene;
  const [source, signed] = await sourcesNamed("source", "signed");
  if (source === undefined || signed === undefined) throw new Error("two sources were made");
  const offer = await publish(source);
  await worker.uploadDerivations(offer.assignment, makeDerivation("pkg"));
  await worker.uploadSources(offer.assignment, signed);
  finishEvaluation(worker, offer, 0);
  expect(pathsOf(await worker.takeOffer("sign"))).toEqual([source.facts.path]);
  expect(await listed()).toEqual(["source"]);
});

describe("a result", () => {
  test("with a wrong signature changes nothing of that path, says why, and is not asked for again", async () => {
    const { worker } = scene;
    const [good, bad] = await sourcesNamed("good", "bad");
    if (good === undefined || bad === undefined) throw new Error("two sources were made");
    await publishAndIdle(good, bad);
    const offer = await worker.takeOffer("sign");
    const stranger = SecretKey.generate(worker.key.keyName);
    const signatures = [signatureOf(good), signatureOf(bad, stranger)];
    sendSigned(offer, { failure: null, signatures });
    const { accepted, reason } = await worker.next("ack");
    expect(accepted).toBe(false);
    expect(reason).toContain(bad.facts.path);
    expect(reason).not.toContain(good.facts.path);
    expect(signers(bad)).toEqual(cacheOnly());
    expect(signers(good)).toEqual(cacheAndWorker());
    expect(await listed()).toEqual([]);
    await nothingIsOffered();
  });

  test("that comes twice is one signature and two equal answers", async () => {
    const { worker } = scene;
    const source = await sourceNamed("source");
    await publishAndIdle(source);
    const offer = await worker.takeOffer("sign");
    const result = { failure: null, signatures: [signatureOf(source)] };
    sendSigned(offer, result);
    const first = await worker.next("ack");
    sendSigned(offer, result);
    expect(await worker.next("ack")).toEqual(first);
    expect(signers(source)).toEqual(cacheAndWorker());
  });

  test("takes a path that the worker has no more from the list", async () => {
    const { worker } = scene;
    const source = await sourceNamed("source");
    await publishAndIdle(source);
    const offer = await worker.takeOffer("sign");
    const message = `this worker's store lacks ${source.facts.path}`;
    sendSigned(offer, { failure: { message, isTransient: false }, signatures: [] });
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(await listed()).toEqual([]);
    await nothingIsOffered();
  });

  test("with a transient failure is asked for again after a while, three times in all", async () => {
    const { worker } = scene;
    await publishAndIdle(await sourceNamed("source"));
    const failure = { message: "the worker restarted", isTransient: true };
    for (const waitMs of [31_000, 61_000]) {
      sendSigned(await worker.takeOffer("sign"), { failure, signatures: [] });
      await worker.next("ack");
      await nothingIsOffered();
      await clock.advance(waitMs);
    }
    sendSigned(await worker.takeOffer("sign"), { failure, signatures: [] });
    await worker.next("ack");
    expect(await listed()).toEqual([]);
  });
});

describe("a sign assignment", () => {
  test("that its worker does not know any more is offered anew", async () => {
    const { worker } = scene;
    const source = await sourceNamed("source");
    await publishAndIdle(source);
    const lost = await worker.takeOffer("sign");
    await worker.settle();
    await worker.drop();
    await worker.connect();
    const again = await worker.takeOffer("sign");
    expect(pathsOf(again)).toEqual([source.facts.path]);
    expect(again.fencing).toBeGreaterThan(lost.fencing);
    sendSigned(lost, { failure: null, signatures: [signatureOf(source)] });
    expect(await worker.next("ack")).toMatchObject({ accepted: false });
    expect(signers(source)).toEqual(cacheOnly());
  });

  test("that was not accepted in time is offered anew", async () => {
    const { worker } = scene;
    await publishAndIdle(await sourceNamed("source"));
    const first = await worker.next("offer");
    await clock.advance(35_000);
    expect(pathsOf(await worker.takeOffer("sign"))).toEqual(pathsOf(first));
  });

  test("outlives a restart of the coordinator, as does the list", async () => {
    const { farm, worker } = scene;
    const source = await sourceNamed("source");
    const evaluation = await publish(source);
    await farm.stop();
    await farm.start();
    const { assignment, fencing } = evaluation;
    await worker.connect({ assignments: [{ assignment, fencing, state: "running" }] });
    finishEvaluation(worker, evaluation, 0);
    const offer = await worker.takeOffer("sign");
    await worker.settle();
    await farm.stop();
    await farm.start();
    const held = { assignment: offer.assignment, fencing: offer.fencing };
    const welcome = await worker.connect({ assignments: [{ ...held, state: "running" }] });
    expect(welcome.reconcile).toEqual([{ ...held, action: "keep" }]);
    sendSigned(offer, { failure: null, signatures: [signatureOf(source)] });
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    expect(signers(source)).toEqual(cacheAndWorker());
  });
});

describe("a worker whose key was changed", () => {
  /** The worker signs what it published, comes back with another key and is refused. */
  async function rotate(...sources: TestObject[]): Promise<void> {
    const { worker } = scene;
    await publishAndIdle(...sources);
    const offer = await worker.takeOffer("sign");
    sendSigned(offer, { failure: null, signatures: sources.map((each) => signatureOf(each)) });
    await worker.next("ack");
    await worker.drop();
    worker.key = SecretKey.generate(worker.key.keyName);
    expect(await worker.connectRejected()).toMatchObject({ code: "key-changed" });
  }

  function approve(publicKey = scene.worker.key.publicKey.toString()): Promise<void> {
    const { farm, worker } = scene;
    const parts = { database: farm.database, workers: farm.farm.workers };
    return approveKey(parts, worker.id, publicKey);
  }

  test("comes back when the new key was approved, and signs all its paths with it", async () => {
    const { farm, worker } = scene;
    const sources = await sourcesNamed("one", "two");
    await rotate(...sources);
    await approve();
    await worker.connect();
    const offer = await worker.takeOffer("sign");
    expect(pathsOf(offer).toSorted()).toEqual(sources.map(({ facts }) => facts.path).toSorted());
    const signatures = sources.map((each) => signatureOf(each));
    sendSigned(offer, { failure: null, signatures });
    expect(await worker.next("ack")).toMatchObject({ accepted: true });
    for (const source of sources) {
      expect(signers(source)).toEqual([...cacheOnly(), "nobody", worker.key.keyName]);
    }
    expect(await listed()).toEqual([]);
    const left = await farm.database.kysely.selectFrom("worker_key_changes").selectAll().execute();
    expect(left).toEqual([]);
  });

  test("is not asked before its key was approved, and only that key is", async () => {
    const source = await sourceNamed("source");
    await rotate(source);
    expect(await listed()).toEqual([]);
    const other = SecretKey.generate("other").publicKey.toString();
    await expect(approve(other)).rejects.toThrow(ConflictError);
    await approve();
    await expect(approve()).rejects.toThrow(ConflictError);
  });

  test("is asked after a restart in the middle as well", async () => {
    const { farm, worker } = scene;
    const source = await sourceNamed("source");
    await rotate(source);
    // The approval is stored, and the coordinator dies before it did anything else.
    await farm.farm[Symbol.asyncDispose]();
    await approveKey(
      { database: farm.database, workers: { keyChanged: () => Promise.resolve() } },
      worker.id,
      worker.key.publicKey.toString(),
    );
    await farm.stop();
    await farm.start();
    await worker.connect();
    expect(pathsOf(await worker.takeOffer("sign"))).toEqual([source.facts.path]);
  });

  test("loses its connection with the old key", async () => {
    const { farm, worker } = scene;
    const { kysely } = farm.database;
    const pending = SecretKey.generate("next").publicKey.toString();
    await kysely.updateTable("workers").set({ pending_public_key: pending }).execute();
    await approve(pending);
    expect(await worker.next("reject")).toMatchObject({ code: "key-changed" });
  });
});
