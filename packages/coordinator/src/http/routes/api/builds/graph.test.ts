import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seedEvaluation, type Seed } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let seed: Seed;
let organizationId: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
  await server.put("projects/acme", alice, project);
  const { id: projectId, organization } = (await server.get("projects/acme/p", alice)).message;
  organizationId = organization;
  seed = await seedEvaluation(server.services.database.kysely, {
    organizationId,
    projectId,
    userId: null,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

const db = () => server.services.database.kysely;

/** Derivations with builds of the evaluation, each needed by the one before it, and the first by `dependent`. */
async function addChain(length: number, dependent: number): Promise<void> {
  const derivations = await db()
    .insertInto("derivations")
    .values(
      Array.from({ length }, (_, n) => ({
        organization_id: organizationId,
        drv_path: `${String(n).padStart(32, "0")}-link-${n}.drv`,
        name: `link-${n}`,
        system: "x86_64-linux",
        required_features_json: "[]",
        is_fixed_output: 0 as const,
        facts_json: "{}",
        created_at: 0,
      })),
    )
    .returning("id")
    .execute();
  const ids = derivations.map(({ id }) => id);
  const builds = await db()
    .insertInto("builds")
    .values(
      ids.map((id) => ({
        organization_id: organizationId,
        derivation_id: id,
        state: "Created",
        unmet_dependencies: 0,
        created_at: 0,
        updated_at: 0,
      })),
    )
    .returning("id")
    .execute();
  const links = builds.map(({ id: build_id }) => ({
    id: uuidv7(),
    evaluation_id: seed.evaluationId,
    build_id,
  }));
  await db().insertInto("evaluation_builds").values(links).execute();
  const edges = ids.map((input_id, n) => ({
    derivation_id: ids[n - 1] ?? dependent,
    input_id,
    outputs_json: "[]",
  }));
  await db().insertInto("derivation_inputs").values(edges).execute();
}

test("a graph is followed until it has enough nodes, and every edge is between two of them", async () => {
  await addChain(600, seed.broken.derivationId);
  const { message } = await server.get(`builds/${seed.broken.id}/graph`, alice);
  expect(message.root).toBe(seed.broken.id);
  expect([message.nodes.length, message.edges.length]).toEqual([500, 499]);
  const ids = new Set(message.nodes.map((node: { id: string }) => node.id));
  for (const { source, target } of message.edges) {
    expect([ids.has(source), ids.has(target)]).toEqual([true, true]);
  }
  expect(message.nodes[0]).toMatchObject({ name: "broken", path: seed.broken.drvPath });
  expect(message.nodes[1]).toMatchObject({ name: "link-0", status: "Queued" });
  expect(message.edges[0].target).toBe(seed.broken.id);
});
