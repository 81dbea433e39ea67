import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashPartOf } from "../db/cache-path-repository.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import { BadRequestError } from "../errors.ts";
import { outputOf, makeDerivation, type TestDerivation } from "../test-objects.test-support.ts";
import { evaluate, openScene, reportBuilt, type Scene } from "../test-scene.test-support.ts";
import { activateCache, subscribe, unsubscribe } from "./subscriptions.ts";

let scene: Scene;
let library: TestDerivation;
let program: TestDerivation;

beforeEach(async () => {
  scene = await openScene();
  library = makeDerivation("library");
  program = makeDerivation("program", { inputs: [library] });
  await evaluate(scene, [program], [library]);
  await build(library);
  await build(program, [library]);
});
afterEach(() => scene[Symbol.asyncDispose]());

async function build(derivation: TestDerivation, inputs: TestDerivation[] = []): Promise<void> {
  const { worker } = scene;
  await reportBuilt(worker, await worker.takeOffer("build"), derivation, inputs);
  expect(await worker.next("ack")).toMatchObject({ accepted: true });
}

/** A cache that nobody subscribes to. */
async function emptyCache(): Promise<string> {
  const { farm, organization } = scene;
  const cache = await farm.addCache(organization.id);
  await farm.database.kysely
    .deleteFrom("cache_subscriptions")
    .where("cache_id", "=", cache)
    .execute();
  return cache;
}

function parties(cache: string) {
  const { organization } = scene;
  return { organization: { id: organization.id, name: "o" }, cache: { id: cache, name: "c" } };
}

function parts() {
  return { database: scene.farm.database, evaluations: scene.farm.farm.evaluations };
}

/** Names of the keys that have signed it there; null when the cache does not show it. */
function signersIn(cache: string, base: string): string[] | null {
  const path = new CacheSurfaceView(scene.farm.database).findPath(cache, hashPartOf(base));
  if (path === undefined) return null;
  const signatures: string[] = JSON.parse(path.signatures_json);
  return signatures.map((signature) => signature.split(":")[0] ?? "");
}

async function filled(): Promise<void> {
  const { kysely } = scene.farm.database;
  await expect
    .poll(() => kysely.selectFrom("cache_backfills").selectAll().execute(), { interval: 5 })
    .toEqual([]);
}

const outputBase = (derivation: TestDerivation) => outputOf(derivation).slice(11);

describe("a cache that is subscribed later", () => {
  test("shows what was built before, signed by itself and by the worker, and not by other caches", async () => {
    const cache = await emptyCache();
    await subscribe(parts(), parties(cache), "ReadWrite", 0);
    await filled();
    const { farm, worker } = scene;
    for (const derivation of [library, program]) {
      const keys = [farm.cacheKey(cache).keyName, worker.key.keyName];
      expect(signersIn(cache, outputBase(derivation))).toEqual(keys);
      expect(signersIn(cache, derivation.path.slice(11))).toEqual([farm.cacheKey(cache).keyName]);
    }
    const path = new CacheSurfaceView(farm.database).findPath(
      cache,
      hashPartOf(outputBase(program)),
    );
    expect(JSON.parse(path?.references_json ?? "[]")).toEqual([outputBase(library)]);
  });

  test("that is only read from gets nothing, one that is only written to does", async () => {
    const [read, written] = [await emptyCache(), await emptyCache()];
    await subscribe(parts(), parties(read), "ReadOnly", 0);
    await subscribe(parts(), parties(written), "WriteOnly", 0);
    await filled();
    expect(signersIn(read, outputBase(program))).toBeNull();
    expect(signersIn(written, outputBase(program))).not.toBeNull();
  });

  test("is filled after a restart as well", async () => {
    const { farm } = scene;
    const cache = await emptyCache();
    await farm.farm[Symbol.asyncDispose]();
    const nobody = { ...farm.farm.evaluations, cachesChanged: () => Promise.resolve() };
    const database = farm.database;
    await subscribe({ database, evaluations: nobody }, parties(cache), "ReadWrite", 0);
    expect(signersIn(cache, outputBase(program))).toBeNull();
    await farm.stop();
    await farm.start();
    await filled();
    expect(signersIn(cache, outputBase(program))).not.toBeNull();
  });

  test("leaves out what no cache has any more, and shows the rest", async () => {
    const { kysely } = scene.farm.database;
    await kysely
      .deleteFrom("cache_paths")
      .where("hash_part", "=", hashPartOf(outputBase(library)))
      .execute();
    const cache = await emptyCache();
    await subscribe(parts(), parties(cache), "ReadWrite", 0);
    await filled();
    // It refers to what is gone.
    expect(signersIn(cache, outputBase(program))).toBeNull();
    expect(signersIn(cache, library.path.slice(11))).not.toBeNull();
  });

  test("gets nothing of other organizations", async () => {
    const { farm } = scene;
    const other = await farm.addOrganization();
    const cache = await emptyCache();
    const stranger = { id: other.id, name: "stranger" };
    await subscribe(parts(), { ...parties(cache), organization: stranger }, "ReadWrite", 0);
    await filled();
    expect(signersIn(cache, outputBase(program))).toBeNull();
  });
});

test("a cache that was switched off gets what was built meanwhile when it is switched on again", async () => {
  const { farm } = scene;
  const { kysely } = farm.database;
  const cache = await emptyCache();
  await kysely.updateTable("caches").set({ active: 0 }).where("id", "=", cache).execute();
  const key = { organization_id: scene.organization.id, cache_id: cache };
  await kysely
    .insertInto("cache_subscriptions")
    .values({ ...key, mode: "ReadWrite", created_at: 0 })
    .execute();
  await activateCache(parts(), { id: cache, active: 0 });
  await filled();
  expect(signersIn(cache, outputBase(program))).not.toBeNull();
});

test("a subscription that ends at once leaves nothing to do", async () => {
  const cache = await emptyCache();
  const nobody = { ...scene.farm.farm.evaluations, cachesChanged: () => Promise.resolve() };
  const { database } = scene.farm;
  await subscribe({ database, evaluations: nobody }, parties(cache), "ReadWrite", 0);
  await unsubscribe({ database, evaluations: nobody }, parties(cache));
  await filled();
  await expect(unsubscribe(parts(), parties(cache))).rejects.toThrow(BadRequestError);
});
