import { fingerprint, PublicKey, SecretKey } from "@gradient/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../clock.ts";
import { insertCacheKey, listCacheKeys, startKeySweep } from "../db/cache-key-repository.ts";
import {
  deleteCachedPath,
  hashPartOf,
  prepareCachedPathReads,
} from "../db/cache-path-repository.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { applyPublication, publicationPlanner, type Publication } from "../intake/publication.ts";
import { StoredCacheSigner } from "../keys/cache-signer.ts";
import { MasterKey } from "../keys/master-key.ts";
import { changesOf } from "../queue/change.ts";
import { makeDerivation, outputOf, type TestDerivation } from "../test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "../test-scene.test-support.ts";
import { newKeyRow, parseCacheKey } from "../keys/cache-key.ts";
import { createKey, deleteKey, importKey, retireKey } from "./cache-keys.ts";

let scene: Scene;
let library: TestDerivation;

beforeEach(async () => {
  scene = await openScene();
  library = makeDerivation("library");
  await evaluate(scene, [library]);
  await build(library);
});
afterEach(() => scene[Symbol.asyncDispose]());

async function build(derivation: TestDerivation): Promise<void> {
  const { worker } = scene;
  await reportBuilt(worker, await worker.takeOffer("build"), derivation, []);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
}

const masterKey = new MasterKey(Buffer.alloc(32, 7));

function parts() {
  const { database, farm } = scene.farm;
  return { database, masterKey, upkeep: farm.upkeep, serveUrl: "https://farm.example" };
}

function change() {
  const cache = { id: scene.organization.cache, name: "main" };
  return { cache, actor: { userId: null, apiKeyId: null, ip: null, userAgent: null }, now: 1 };
}

const outputBase = (derivation: TestDerivation) => outputOf(derivation).slice(11);

function signaturesOf(base: string): string[] {
  const view = new CacheSurfaceView(scene.farm.database);
  const path = view.findPath(scene.organization.cache, hashPartOf(base));
  if (path === undefined) throw new Error(`the cache does not show ${base}`);
  return JSON.parse(path.signatures_json);
}

const signers = (base: string) => signaturesOf(base).map((each) => each.split(":")[0]);

async function swept(): Promise<void> {
  const { kysely } = scene.farm.database;
  await expect
    .poll(() => kysely.selectFrom("cache_key_sweeps").selectAll().execute(), { interval: 5 })
    .toEqual([]);
}

const firstName = () => scene.farm.cacheKey(scene.organization.cache).keyName;
const workerName = () => scene.worker.key.keyName;

describe("a new key", () => {
  test("signs all that the cache shows, behind the older keys and before the worker", async () => {
    const key = await createKey(parts(), change(), "second");
    await swept();
    expect(signers(outputBase(library))).toEqual([firstName(), "second", workerName()]);
    expect(signers(library.path.slice(11))).toEqual([firstName(), "second"]);
    const facts = await scene.farm.database.kysely
      .selectFrom("cache_paths as p")
      .innerJoin("nar_objects as n", "n.nar_hash", "p.nar_hash")
      .select(["p.path", "n.nar_hash", "n.nar_size"])
      .where("p.path", "=", outputBase(library))
      .executeTakeFirstOrThrow();
    const text = fingerprint({
      path: `/nix/store/${facts.path}`,
      narHash: `sha256:${facts.nar_hash}`,
      narSize: facts.nar_size,
      references: [],
    });
    const publicKey = PublicKey.parse(`${key.key_name}:${key.public_key}`);
    const [, second = ""] = signaturesOf(outputBase(library));
    expect(publicKey.verifies(text, second)).toBe(true);
    const keys = await listCacheKeys(scene.farm.database.kysely, scene.organization.cache);
    expect(keys.map(({ is_complete: isComplete }) => isComplete)).toEqual([1, 1]);
  });

  test("signs what is built afterwards at once", async () => {
    await createKey(parts(), change(), "second");
    const later = makeDerivation("later");
    await evaluate(scene, [later]);
    await build(later);
    expect(signers(outputBase(later))).toEqual([firstName(), "second", workerName()]);
  });

  test("signs all after a restart in the middle as well", async () => {
    const { farm, organization } = scene;
    await farm.farm[Symbol.asyncDispose]();
    const key = parseCacheKey(SecretKey.generate("second").reveal());
    await farm.database.transaction(async ({ kysely }) => {
      const row = newKeyRow(masterKey, organization.cache, key, { isComplete: false, now: 1 });
      await insertCacheKey(kysely, row);
      await startKeySweep(kysely, organization.cache);
    });
    expect(signers(outputBase(library))).toEqual([firstName(), workerName()]);
    await farm.stop();
    await farm.start();
    await swept();
    expect(signers(outputBase(library))).toEqual([firstName(), "second", workerName()]);
  });
});

test("what was signed before a key came is signed anew when it is shown after it", async () => {
  const { farm, organization } = scene;
  const { database } = farm;
  const signer = new StoredCacheSigner(database, masterKey);
  const cachedPaths = prepareCachedPathReads(database);
  const planner = publicationPlanner({ kysely: database.kysely, cachedPaths, signer });
  const shown = cachedPaths.inCache(organization.cache, hashPartOf(outputBase(library)));
  if (shown === null) throw new Error("the library was built");
  await deleteCachedPath(database.kysely, organization.cache, hashPartOf(shown.path));
  const plan = () => planner.plan(organization.id, [{ ...shown, signatures: [] }]);
  const early = await plan();
  await createKey(parts(), change(), "second");
  await swept();
  const { durable: changes } = changesOf({
    database,
    clock: systemClock,
    settle: () => Promise.resolve(),
    tell: () => undefined,
  });
  const apply = (publication: Publication) =>
    changes((each) => applyPublication(each, publication, null, "shown"));
  expect(await apply(early)).toBe(false);
  expect(await apply(await plan())).toBe(true);
  expect(signers(outputBase(library))).toEqual([firstName(), "second"]);
});

describe("an old key", () => {
  async function rotate(): Promise<string> {
    await createKey(parts(), change(), "second");
    await swept();
    const { kysely } = scene.farm.database;
    const keys = await listCacheKeys(kysely, scene.organization.cache);
    return keys.find((key) => key.key_name === firstName())?.id ?? "";
  }

  test("that is retired signs nothing more, and what it has signed stays behind the active keys", async () => {
    await retireKey(parts(), change(), await rotate());
    await swept();
    expect(signers(outputBase(library))).toEqual(["second", firstName(), workerName()]);
    const later = makeDerivation("later");
    await evaluate(scene, [later]);
    await build(later);
    expect(signers(outputBase(later))).toEqual(["second", workerName()]);
  });

  test("that is deleted takes its signatures along", async () => {
    await deleteKey(parts(), change(), await rotate());
    await swept();
    expect(signers(outputBase(library))).toEqual(["second", workerName()]);
    expect(signers(library.path.slice(11))).toEqual(["second"]);
    const { kysely } = scene.farm.database;
    expect(await listCacheKeys(kysely, scene.organization.cache)).toHaveLength(1);
  });

  test("of the same name as a worker's takes only its own signatures along", async () => {
    const named = await createKey(parts(), change(), workerName());
    await swept();
    expect(signers(outputBase(library))).toEqual([firstName(), workerName(), workerName()]);
    await deleteKey(parts(), change(), named.id);
    await swept();
    expect(signers(outputBase(library))).toEqual([firstName(), workerName()]);
  });

  test("that was retired and is imported again signs all again", async () => {
    const id = await rotate();
    await retireKey(parts(), change(), id);
    await swept();
    const secret = scene.farm.cacheKey(scene.organization.cache).reveal();
    expect(await importKey(parts(), change(), secret)).toMatchObject({ id, state: "active" });
    await swept();
    expect(signers(outputBase(library))).toEqual([firstName(), "second", workerName()]);
  });
});
