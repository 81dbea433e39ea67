import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const WORKER = "550e8400-e29b-41d4-a716-446655440001";
const PATH = `admin/workers/${WORKER}/key`;

let server: TestServer;
let alice: string;
let root: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  root = await server.user("root1", true);
  await server.services.database.kysely
    .insertInto("workers")
    .values({
      id: WORKER,
      public_key: "w:old",
      pending_public_key: "w:new",
      epoch: 1,
      last_seen_at: 0,
    })
    .execute();
});
afterAll(() => server[Symbol.asyncDispose]());

test("another key of a worker is only for superusers to see and to approve", async () => {
  for (const [method, path] of [
    ["GET", "admin/workers/keys"],
    ["POST", PATH],
    ["DELETE", PATH],
  ] as const) {
    const body = method === "GET" ? undefined : { public_key: "w:new" };
    expect((await server.call(method, path, { token: alice, body })).status).toBe(403);
    expect((await server.call(method, path, { body })).status).toBe(401);
  }
});

test("another key of a worker is forgotten, or approved by its name", async () => {
  const pending = {
    worker_id: WORKER,
    public_key: "w:old",
    pending_public_key: "w:new",
    last_seen_at: "1970-01-01T00:00:00.000Z",
  };
  expect((await server.get("admin/workers/keys", root)).message).toEqual([pending]);
  expect((await server.post(PATH, root, { public_key: "w:other" })).status).toBe(409);
  expect((await server.post(PATH, root, {})).status).toBe(422);
  expect((await server.delete(PATH, root, { public_key: "w:new" })).status).toBe(200);
  expect((await server.get("admin/workers/keys", root)).message).toEqual([]);
  expect((await server.post(PATH, root, { public_key: "w:new" })).status).toBe(409);
  const { kysely } = server.services.database;
  await kysely.updateTable("workers").set({ pending_public_key: "w:new" }).execute();
  expect((await server.post(PATH, root, { public_key: "w:new" })).status).toBe(200);
  expect(server.calls.keyChanged).toEqual([WORKER]);
  const stored = await kysely.selectFrom("workers").selectAll().executeTakeFirstOrThrow();
  expect(stored).toMatchObject({ public_key: "w:new", pending_public_key: null });
  const unknown = PATH.replace("0001", "0002");
  expect((await server.post(unknown, root, { public_key: "w:new" })).status).toBe(404);
});
