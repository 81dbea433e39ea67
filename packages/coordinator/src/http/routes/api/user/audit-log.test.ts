import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());

test("a user reads what was done with their account, newest first, and nobody else's", async () => {
  await server.user("bob");
  await server.post("auth/basic/login", undefined, { loginname: "alice", password: "wrong" });
  await server.call("POST", "auth/basic/login", {
    body: { loginname: "alice", password: PASSWORD },
    headers: { "user-agent": "browser/1", "x-forwarded-for": "192.0.2.7" },
  });
  const { message } = await server.get("user/audit-log?per_page=2", alice);
  expect(message).toMatchObject({ total: 4, page: 1, per_page: 2 });
  expect(message.items).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      event: "login.success",
      subject: "alice",
      details: { method: "password" },
      ip: "192.0.2.7",
      user_agent: "browser/1",
      api_key_id: null,
      created_at: expect.stringMatching(/Z$/),
    },
    expect.objectContaining({ event: "login.failure", subject: "alice" }),
  ]);
  const rest = (await server.get("user/audit-log?page=2&per_page=2", alice)).message;
  expect(rest.items).toEqual([
    expect.objectContaining({ event: "login.success", ip: null }),
    expect.objectContaining({ event: "register", subject: "alice" }),
  ]);
});

test("the trail is shown to its owner alone", async () => {
  expect((await server.get("user/audit-log")).status).toBe(401);
});

test("the owner of a key sees that it was refused elsewhere, without one event for each try", async () => {
  const carol = await server.user("carol");
  const key = await server.key(carol, { permissions: ["viewOrg"], allowed_ips: ["10.1.2.3"] });
  for (const _ of ["first", "second"]) expect((await server.get("user", key)).status).toBe(403);
  const { items } = (await server.get("user/audit-log", carol)).message;
  expect(items.map((item: { event: string }) => item.event)).toEqual([
    "auth.deny",
    "api_key.create",
    "login.success",
    "register",
  ]);
  expect(items[0]).toMatchObject({ ip: "127.0.0.1", api_key_id: expect.any(String) });
});

test("a key may read the trail of its owner", async () => {
  const key = await server.key(alice, { name: "ci", permissions: ["viewOrg"] });
  const { message } = await server.get("user/audit-log", key);
  expect(message.items[0]).toMatchObject({ event: "api_key.create", subject: expect.any(String) });
});
