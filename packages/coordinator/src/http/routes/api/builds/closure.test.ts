import { afterAll, beforeAll, expect, test } from "vitest";
import { insertCachedPaths } from "../../../../db/cache-path-repository.ts";
import { insertNarObjects } from "../../../../db/nar-object-repository.ts";
import { seedEvaluation, type Seed, type SeededBuild } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;
let seed: Seed;
let cacheId: string;

const outputOf = (build: SeededBuild) => build.drvPath.replace(/\.drv$/, "");
const GLIBC = "9a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-glibc";

/** Shows a path of so many bytes in the cache. */
async function show(path: string, narSize: number, references: readonly string[]): Promise<void> {
  const { kysely } = server.services.database;
  const narHash = path.slice(0, 32).padEnd(52, "0");
  const object = { narHash, narSize, fileHash: narHash, fileSize: 1, foundHashes: [] };
  await insertNarObjects(kysely, [{ ...object, buildProducts: [] }], 0);
  const facts = { narHash, deriver: null, ca: null, signatures: [] };
  await insertCachedPaths(kysely, cacheId, [{ ...facts, path, references }], 0);
}

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  await server.put("projects/acme", alice, project);
  const { id: projectId, organization } = (await server.get("projects/acme/p", alice)).message;
  const cache = { name: "main", display_name: "Main", priority: 40 };
  cacheId = String((await server.put("caches", alice, cache)).message);
  await server.post("orgs/acme/subscribe/main", alice);
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId: organization,
    projectId,
    userId: null,
  });
  await show(GLIBC, 30_000, [GLIBC]);
  await show(outputOf(seed.base), 1000, [GLIBC]);
  await show(outputOf(seed.lib), 200, [outputOf(seed.base), outputOf(seed.lib)]);
});
afterAll(() => server[Symbol.asyncDispose]());

const idOf = (path: string) => path.slice(0, 32);

test("the closure of a build has all that it needs, the largest first, with the sum of it", async () => {
  const { message } = await server.get(`builds/${seed.app.id}/closure`, alice);
  const node = (build: SeededBuild, name: string, nar_size: number | null) => ({
    id: idOf(build.drvPath),
    name,
    path: build.drvPath,
    nar_size,
  });
  expect(message).toEqual({
    roots: [idOf(seed.app.drvPath)],
    total_size_bytes: 1200,
    node_count: 3,
    edge_count: 2,
    truncated: false,
    nodes: [node(seed.app, "app", null), node(seed.base, "base", 1000), node(seed.lib, "lib", 200)],
    edges: [
      { source: idOf(seed.lib.drvPath), target: idOf(seed.app.drvPath) },
      { source: idOf(seed.base.drvPath), target: idOf(seed.lib.drvPath) },
    ],
  });
});

test("the runtime closure has what outputs refer to", async () => {
  const { message } = await server.get(`builds/${seed.lib.id}/runtime-closure`, alice);
  const node = (path: string, nar_size: number | null) => ({
    id: idOf(path),
    name: path.slice(33),
    path,
    nar_size,
  });
  expect(message).toEqual({
    roots: [idOf(outputOf(seed.lib))],
    total_size_bytes: 31_200,
    node_count: 3,
    edge_count: 2,
    truncated: false,
    nodes: [node(outputOf(seed.lib), 200), node(GLIBC, 30_000), node(outputOf(seed.base), 1000)],
    edges: [
      { source: idOf(outputOf(seed.base)), target: idOf(outputOf(seed.lib)) },
      { source: idOf(GLIBC), target: idOf(outputOf(seed.base)) },
    ],
  });
});

test("of what no cache has the size is not known", async () => {
  const { message } = await server.get(`builds/${seed.app.id}/runtime-closure`, alice);
  expect(message).toMatchObject({ total_size_bytes: null, node_count: 1, edges: [] });
});

test("an evaluation has the closure of all its entry points", async () => {
  const built = (await server.get(`evals/${seed.evaluationId}/closure`, alice)).message;
  expect(built.roots).toEqual([idOf(seed.app.drvPath), idOf(seed.broken.drvPath)]);
  expect([built.node_count, built.total_size_bytes]).toEqual([4, 1200]);
  const run = (await server.get(`evals/${seed.evaluationId}/runtime-closure`, alice)).message;
  expect(run.roots).toEqual([idOf(outputOf(seed.app)), idOf(outputOf(seed.broken))]);
});

test("more than can be shown is truncated, and its sum is exact all the same", async () => {
  const many = Array.from({ length: 700 }, (_, n) => `${String(n).padStart(32, "0")}-leaf`);
  await show(outputOf(seed.app), 5, many);
  for (const leaf of many.slice(0, 650)) await show(leaf, 10, []);
  const { message } = await server.get(`builds/${seed.app.id}/runtime-closure`, alice);
  expect(message).toMatchObject({ node_count: 500, truncated: true, total_size_bytes: 6505 });
  expect(message.nodes[0].id).toBe(message.roots[0]);
  expect(message.edge_count).toBe(499);
});

test("closures of a private organization do not exist for others", async () => {
  for (const path of [`builds/${seed.app.id}`, `evals/${seed.evaluationId}`]) {
    for (const kind of ["closure", "runtime-closure"]) {
      expect((await server.get(`${path}/${kind}`, bob)).status).toBe(404);
      expect((await server.get(`${path}/${kind}`)).status).toBe(404);
    }
  }
});
