import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const confirmed = { password: PASSWORD };

test("a deleted account is gone, with its sessions and keys", async () => {
  const token = await server.user("alice");
  const key = await server.key(token, { permissions: ["viewOrg"] });
  const answer = await server.delete("user", token, confirmed);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("set-cookie")).toContain("Max-Age=0");
  expect((await server.get("user", token)).status).toBe(401);
  expect((await server.get("user", key)).status).toBe(401);
  const login = { loginname: "alice", password: PASSWORD };
  expect((await server.post("auth/basic/login", undefined, login)).status).toBe(401);
  await server.user("alice");
});

test.each([[{}], [{ password: "wrong" }], [{ confirm_username: "confirm" }], [undefined]])(
  "an account with a password is not deleted without it: %j",
  async (body) => {
    const username = `confirm-${Math.random().toString(36).slice(2)}`;
    const token = await server.user(username);
    const answer = await server.delete("user", token, body);
    expect([answer.status, answer.json?.code]).toEqual([403, "forbidden"]);
    expect((await server.get("user", token)).status).toBe(200);
  },
);

test("an account without a password is deleted by its name", async () => {
  const token = await server.user("oidc");
  const { kysely } = server.services.database;
  await kysely
    .updateTable("users")
    .set({ password_hash: null })
    .where("username", "=", "oidc")
    .execute();
  const wrong = { confirm_username: "other", password: PASSWORD };
  expect((await server.delete("user", token, wrong)).status).toBe(403);
  expect((await server.delete("user", token, { confirm_username: "oidc" })).status).toBe(200);
});

test("the only Admin of something stays until somebody else has that role", async () => {
  const bob = await server.user("bob");
  const carol = await server.user("carol");
  await server.put("orgs", bob, { name: "acme", display_name: "Acme" });
  await server.put("orgs", bob, { name: "other", display_name: "Other" });
  await server.put("caches", bob, { name: "main", display_name: "Main" });
  await server.post("orgs/acme/users", bob, { user: "carol", role: "Write" });
  await server.post("orgs/other/users", bob, { user: "carol", role: "Admin" });
  const refused = await server.delete("user", bob, confirmed);
  expect([refused.status, refused.json?.code]).toEqual([409, "conflict"]);
  expect(refused.message).toContain('organization "acme", cache "main"');
  await server.patch("orgs/acme/users", bob, { user: "carol", role: "Admin" });
  await server.delete("caches/main", bob);
  expect((await server.delete("user", bob, confirmed)).status).toBe(200);
  expect((await server.get("orgs/acme/users", carol)).message).toEqual([
    { id: "carol", name: "Admin" },
  ]);
});

test("managed accounts stay, and an API key deletes nobody", async () => {
  const token = await server.user("managed");
  const key = await server.key(token, { permissions: ["viewOrg"] });
  expect((await server.delete("user", key, confirmed)).status).toBe(403);
  expect((await server.delete("user", undefined, confirmed)).status).toBe(401);
  const { kysely } = server.services.database;
  await kysely.updateTable("users").set({ managed: 1 }).where("username", "=", "managed").execute();
  const answer = await server.delete("user", token, confirmed);
  expect([answer.status, answer.message]).toEqual([403, expect.stringContaining("managed")]);
});
