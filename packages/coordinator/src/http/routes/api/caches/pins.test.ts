import { afterAll, beforeAll, expect, test } from "vitest";
import { showTree } from "../../../products.test-support.ts";
import { seedEvaluation } from "../../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const PINS = "caches/main/pins";
const PATH = `${"0".repeat(32)}-thing`;

let server: TestServer;
let alice: string;
let bob: string;
let evaluation: string;
let foreign: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("caches", alice, { name: "main", display_name: "Main" });
  await server.put("caches", bob, { name: "other", display_name: "Other" });
  await server.post("caches/main/members", alice, { user: "bob", role: "View" });
  const { id } = (await server.get("caches/main", alice)).message;
  await showTree(server, id, PATH, { "a.txt": "a" });
  [evaluation, foreign] = [await seed("acme", alice), await seed("others", bob)];
  await server.post("orgs/acme/subscribe/main", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

async function seed(organization: string, token: string): Promise<string> {
  await server.put("orgs", token, { name: organization, display_name: organization });
  await server.put(`projects/${organization}`, token, {
    name: "tools",
    display_name: "Tools",
    repository: "https://example.com/p.git",
    wildcard: "*",
  });
  const ids = async (path: string) => String((await server.get(path, token)).message.id);
  const { evaluationId } = await seedEvaluation(server.services.database.kysely, {
    organizationId: await ids(`orgs/${organization}`),
    projectId: await ids(`projects/${organization}/tools`),
    userId: null,
  });
  return evaluationId;
}

test("a path and an evaluation are pinned, listed and let go", async () => {
  const until = "2100-01-01T00:00:00.000Z";
  const path = (await server.post(PINS, alice, { path: `/nix/store/${PATH}`, until })).message;
  const second = await server.post(PINS, alice, { evaluation });
  expect(second.status).toBe(200);
  const listed = await server.get(PINS, alice);
  expect(listed.message).toMatchObject({
    total: 2,
    items: [
      { id: second.message, path: null, evaluation, until: null },
      { id: path, path: PATH, evaluation: null, until },
    ],
  });
  expect((await server.delete(`caches/other/pins/${path}`, bob)).status).toBe(404);
  for (const id of [path, second.message]) {
    expect((await server.delete(`${PINS}/${id}`, alice)).status).toBe(200);
    expect((await server.delete(`${PINS}/${id}`, alice)).status).toBe(404);
  }
  expect((await server.get(PINS, alice)).message.total).toBe(0);
});

test("pins whose time has come make room for others", async () => {
  const { id } = (await server.get("caches/main", alice)).message;
  const ended = Array.from({ length: 1000 }, (_, at) => ({
    id: `0195c2a0-0000-7000-8000-${String(at).padStart(12, "0")}`,
    cache_id: id,
    path: PATH,
    evaluation_id: null,
    until: 1,
    created_by: null,
    created_at: 0,
  }));
  await server.services.database.kysely.insertInto("cache_pins").values(ended).execute();
  expect((await server.get(PINS, alice)).message.total).toBe(1000);
  const { status, message } = await server.post(PINS, alice, { path: PATH });
  expect(status).toBe(200);
  expect((await server.get(PINS, alice)).message).toMatchObject({ total: 1 });
  await server.delete(`${PINS}/${message}`, alice);
});

test("only who may write to the cache sees and changes what is pinned", async () => {
  const stranger = await server.user("stranger");
  for (const [token, status] of [
    [bob, 403],
    [stranger, 404],
    [undefined, 401],
  ] as const) {
    expect((await server.get(PINS, token)).status).toBe(status);
    expect((await server.post(PINS, token, { path: PATH })).status).toBe(status);
    expect((await server.delete(`${PINS}/${evaluation}`, token)).status).toBe(status);
  }
  const key = { cache: "main", permissions: ["viewCache", "writeStore"] };
  const pinned = await server.key(alice, key);
  expect((await server.get(PINS, pinned)).status).toBe(200);
  const reader = await server.key(alice, { ...key, permissions: ["viewCache"] });
  expect((await server.get(PINS, reader)).status).toBe(403);
});

test.each([
  [404, () => ({ path: `${"1".repeat(32)}-missing` })],
  [404, () => ({ path: "nonsense" })],
  [400, () => ({})],
  [400, () => ({ path: PATH, evaluation })],
  [400, () => ({ path: PATH, until: "2020-01-01T00:00:00.000Z" })],
  [422, () => ({ path: PATH, until: "tomorrow" })],
  [404, () => ({ evaluation: foreign })],
  [404, () => ({ evaluation: "019a0000-0000-7000-8000-000000000001" })],
])("a wrong pin is refused with %d", async (status, body) => {
  expect((await server.post(PINS, alice, body())).status).toBe(status);
});

test("an evaluation of an organization that does not publish in the cache cannot be pinned", async () => {
  await server.delete("orgs/acme/subscribe/main", alice);
  expect((await server.post(PINS, alice, { evaluation })).status).toBe(400);
});
