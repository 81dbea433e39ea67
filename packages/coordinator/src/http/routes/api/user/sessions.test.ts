import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function login(username: string, remembers = false): Promise<string> {
  const answer = await server.call("POST", "auth/basic/login", {
    body: { loginname: username, password: PASSWORD, remember_me: remembers },
    headers: { "user-agent": "browser/1", "x-forwarded-for": "192.0.2.7" },
  });
  return answer.message;
}

const sessionsOf = async (token: string) => (await server.get("user/sessions", token)).message;

test("a user sees where they are signed in, newest first", async () => {
  const first = await server.user("alice");
  const second = await login("alice", true);
  expect(await sessionsOf(second)).toEqual([
    {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      user_agent: "browser/1",
      ip: "192.0.2.7",
      created_at: expect.stringMatching(/Z$/),
      last_used_at: expect.stringMatching(/Z$/),
      expires_at: expect.stringMatching(/Z$/),
      remember_me: true,
      current: true,
    },
    expect.objectContaining({ user_agent: null, ip: null, remember_me: false, current: false }),
  ]);
  const [, own] = await sessionsOf(first);
  expect(own.current).toBe(true);
  const key = await server.key(first, { permissions: ["viewOrg"] });
  const seen: { current: boolean }[] = await sessionsOf(key);
  expect(seen.map(({ current }) => current)).toEqual([false, false]);
  expect((await server.get("user/sessions")).status).toBe(401);
});

test("a revoked session is refused at once and listed no more", async () => {
  const token = await server.user("bob");
  const stolen = await login("bob");
  const [{ id }] = await sessionsOf(stolen);
  expect((await server.delete(`user/sessions/${id}`, token)).status).toBe(200);
  expect((await server.get("user", stolen)).status).toBe(401);
  expect(await sessionsOf(token)).toHaveLength(1);
  expect((await server.delete(`user/sessions/${id}`, token)).status).toBe(404);
  const { items } = (await server.get("user/audit-log", token)).message;
  expect(items[0]).toMatchObject({
    event: "session.revoke",
    subject: id,
    details: { ip: "192.0.2.7", user_agent: "browser/1" },
  });
});

test("sessions of others cannot be revoked", async () => {
  const carol = await server.user("carol");
  const dave = await server.user("dave");
  const [{ id }] = await sessionsOf(carol);
  const answer = await server.delete(`user/sessions/${id}`, dave);
  expect([answer.status, answer.json?.code]).toEqual([404, "not_found"]);
  expect((await server.get("user", carol)).status).toBe(200);
});

test("an API key revokes no session, and what is no id is refused", async () => {
  const token = await server.user("erin");
  const key = await server.key(token, { permissions: ["viewOrg"] });
  const [{ id }] = await sessionsOf(token);
  const answer = await server.delete(`user/sessions/${id}`, key);
  expect([answer.status, answer.json?.code]).toEqual([403, "forbidden"]);
  expect((await server.delete(`user/sessions/${id}`)).status).toBe(401);
  expect((await server.delete("user/sessions/nonsense", token)).status).toBe(400);
});
