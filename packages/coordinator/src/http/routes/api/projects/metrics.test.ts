import { afterAll, beforeAll, expect, test } from "vitest";
import { insertCachedPaths } from "../../../../db/cache-path-repository.ts";
import { insertNarObjects } from "../../../../db/nar-object-repository.ts";
import { ClosureRounds } from "../../../../closures/closure-rounds.ts";
import { countInThread } from "../../../../closures/count-in-thread.ts";
import { insertDerivationClosures } from "../../../../db/closure-size-repository.ts";
import { createLogger } from "../../../../logger.ts";
import { ManualClock } from "../../../../manual-clock.test-support.ts";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const GLIBC = "9a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-glibc";
const AT = 1_763_769_600_000;

let server: TestServer;
let alice: string;
let seed: Seed;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  await server.put("projects/acme", alice, project);
  const { id: projectId, organization } = (await server.get("projects/acme/p", alice)).message;
  const { kysely } = server.services.database;
  seed = await seedEvaluation(kysely, { organizationId: organization, projectId, userId: null });
  const outputOf = ({ drvPath }: { drvPath: string }) => drvPath.replace(/\.drv$/, "");
  const shown = [
    { path: outputOf(seed.app), narSize: 700, references: [GLIBC] },
    { path: outputOf(seed.base), narSize: 200, references: [] },
    { path: GLIBC, narSize: 5, references: [GLIBC] },
  ];
  const narHashOf = (path: string) => path.slice(0, 32).padEnd(52, "0");
  for (const { path, narSize } of shown) {
    const narHash = narHashOf(path);
    const object = { narHash, narSize, fileHash: narHash, fileSize: 1, foundHashes: [] };
    await insertNarObjects(kysely, [{ ...object, buildProducts: [] }], 0);
  }
  // Two caches show the same path: it counts once.
  for (const name of ["main", "second"]) {
    const cache = { name, display_name: "C", priority: 40 };
    const cacheId = String((await server.put("caches", alice, cache)).message);
    await server.post(`orgs/acme/subscribe/${name}`, alice);
    const facts = { deriver: null, ca: null, signatures: [] };
    for (const { path, references } of shown) {
      const row = { ...facts, path, references, narHash: narHashOf(path) };
      await insertCachedPaths(kysely, cacheId, [row], 0);
    }
  }
});
afterAll(() => server[Symbol.asyncDispose]());

const metrics = async (path: string) =>
  (await server.get(`projects/acme/p/${path}`, alice)).message as { points: object[] };

async function complete(): Promise<void> {
  const { kysely } = server.services.database;
  const times = { eval_started_at: AT + 100, building_started_at: AT + 450 };
  await kysely
    .updateTable("evaluations")
    .set({ state: "Completed", ...times })
    .execute();
}

test("an evaluation that has not ended well has no figures", async () => {
  expect(await metrics("metrics")).toEqual({ keep_evaluations: 30, points: [] });
  expect((await metrics("entry-point-metrics?eval=packages.app")).points).toEqual([]);
});

test("a completed evaluation has its times, its outputs' size and the number of what they need", async () => {
  await complete();
  expect((await metrics("metrics")).points).toEqual([
    {
      evaluation_id: seed.evaluationId,
      created_at: "2025-11-22T00:00:00.000Z",
      build_time_total_ms: 2000,
      eval_time_ms: 350,
      output_size_bytes: 700,
      closure_size_bytes: null,
      runtime_closure_size_bytes: null,
      dependencies_count: 2,
    },
  ]);
});

test("so has each of its entry points, by its attribute path", async () => {
  await complete();
  const point = { evaluation_id: seed.evaluationId, created_at: "2025-11-22T00:00:00.000Z" };
  const sizes = { closure_size_bytes: null, runtime_closure_size_bytes: null };
  expect(await metrics("entry-point-metrics?eval=packages.app")).toEqual({
    eval: "packages.app",
    keep_evaluations: 30,
    points: [
      {
        ...point,
        ...sizes,
        build_id: seed.app.id,
        build_status: "Queued",
        build_time_ms: null,
        output_size_bytes: 700,
        dependencies_count: 2,
      },
    ],
  });
  const quoted = await metrics(
    `entry-point-metrics?eval=${encodeURIComponent('packages."bro.ken"')}`,
  );
  expect(quoted.points).toMatchObject([
    { build_id: seed.broken.id, build_status: "FailedPermanent", dependencies_count: 0 },
  ]);
  expect((await metrics("entry-point-metrics?eval=packages.gone")).points).toEqual([]);
  const bad = await server.get("projects/acme/p/entry-point-metrics?eval=a..b", alice);
  expect(bad.status).toBe(400);
});

test("sizes of closures are there a minute after the end while workers work: as graphs of closures have them", async () => {
  const clock = new ManualClock();
  const { database } = server.services;
  await database.kysely.updateTable("evaluations").set({ state: "Building" }).execute();
  await complete();
  const finished_at = clock.now();
  await database.kysely.updateTable("evaluations").set({ finished_at }).execute();
  const logger = createLogger("silent");
  await using rounds = new ClosureRounds({ database, clock, logger, isBusy: () => true });
  const due = () => database.kysely.selectFrom("closures_due").selectAll().execute();
  await clock.advance(10_000);
  await rounds.idle();
  expect(await due()).toHaveLength(1);
  await clock.advance(50_000);
  await rounds.idle();
  const total = async (path: string) =>
    (await server.get(path, alice)).message.total_size_bytes as number | null;
  for (const [points, place] of [
    ["metrics", `evals/${seed.evaluationId}`],
    ["entry-point-metrics?eval=packages.app", `builds/${seed.app.id}`],
  ] as const) {
    const sizes = {
      closure_size_bytes: await total(`${place}/closure`),
      runtime_closure_size_bytes: await total(`${place}/runtime-closure`),
    };
    expect(sizes).toEqual({ closure_size_bytes: 900, runtime_closure_size_bytes: 705 });
    expect((await metrics(points)).points).toMatchObject([sizes]);
  }
  expect(await due()).toEqual([]);
});

test("sizes that are known stay; those of a derivation that is gone meanwhile are left out", async () => {
  const { kysely } = server.services.database;
  const known = () => kysely.selectFrom("derivation_closures").selectAll().execute();
  const before = await known();
  const sizes = { buildBytes: 1, runtimeBytes: null };
  const closures = [before[0]?.derivation_id, 4711].map((derivation) => ({ derivation, ...sizes }));
  await insertDerivationClosures(kysely, JSON.stringify(closures));
  expect(before).not.toEqual([]);
  expect(await known()).toEqual(before);
});

test("counting ends when the coordinator does", async () => {
  const { file } = server.services.database;
  const evaluation = { id: seed.evaluationId, organizationId: "nobody" };
  const stop = new AbortController();
  const counting = countInThread({ file, evaluation }, stop.signal);
  stop.abort();
  expect(await counting).toBeNull();
  await expect(
    countInThread({ file: `${file}/nowhere`, evaluation }, new AbortController().signal),
  ).rejects.toThrow("unable to open database file (SQLITE_CANTOPEN");
});

test("the attributes of an evaluation are a tree", async () => {
  const { message } = await server.get(`evals/${seed.evaluationId}/flake-graph`, alice);
  const leaf = { parent: "packages", is_derivation: true, kind: "derivation" };
  expect(message).toEqual([
    {
      path: "packages",
      parent: null,
      name: "packages",
      kind: "attrset",
      is_derivation: false,
      drv_path: null,
    },
    { ...leaf, path: "packages.app", name: "app", drv_path: seed.app.drvPath },
    { ...leaf, path: 'packages."bro.ken"', name: "bro.ken", drv_path: seed.broken.drvPath },
    {
      ...leaf,
      path: "packages.throws",
      name: "throws",
      kind: "error",
      is_derivation: false,
      drv_path: null,
    },
  ]);
});
