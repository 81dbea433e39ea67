import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice", true);
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("orgs", alice, { name: "public-org", display_name: "Public", public: true });
  await server.put("caches", alice, { name: "main", display_name: "Main" });
  await server.put("caches", alice, { name: "other", display_name: "Other", public: true });
});
afterAll(() => server[Symbol.asyncDispose]());

test("a user sees who they are", async () => {
  const answer = await server.get("user", alice);
  expect(answer.message).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    username: "alice",
    name: "User alice",
    email: "alice@example.com",
    superuser: true,
  });
});

test("the catalogues of permissions have the contract's names and order", async () => {
  const { message } = await server.get("user/keys/permissions", bob);
  expect(message.available_permissions).toHaveLength(14);
  expect(message.available_permissions[12]).toEqual({ id: "triggerEvaluation", mutating: true });
  expect(message.availableCache).toHaveLength(10);
  expect(message.availableCache[0]).toEqual({ id: "viewCache", mutating: false });
  expect((await server.get("user/keys/permissions")).status).toBe(401);
});

describe("API keys", () => {
  test("are shown once, listed without their secret, and work until deleted", async () => {
    const created = await server.post("user/keys", alice, {
      name: "ci",
      permissions: ["triggerEvaluation", "viewOrg"],
      organization: "acme",
      expires_in_days: 90,
      allowed_ips: ["127.0.0.1", "::1", "10.0.0.0/8"],
    });
    expect(created.message).toMatch(/^GRAD[A-Za-z0-9]{64}$/);
    const listed = await server.get("user/keys", alice);
    expect(listed.message).toEqual([
      {
        id: expect.any(String),
        name: "ci",
        managed: false,
        permissions: ["viewOrg", "triggerEvaluation"],
        organization: "acme",
        cache: null,
        created_at: expect.stringMatching(/Z$/),
        last_used_at: null,
        expires_at: expect.stringMatching(/Z$/),
        revoked_at: null,
        allowed_ips: ["127.0.0.1/32", "::1/128", "10.0.0.0/8"],
      },
    ]);
    expect(listed.text).not.toContain(created.message);
    expect((await server.get("user", created.message)).message.username).toBe("alice");
    await server.services.lastUse.flush();
    const used = await server.get("user/keys", alice);
    expect(used.message[0].last_used_at).toMatch(/Z$/);
    expect((await server.delete("user/keys", alice, { name: "ci" })).status).toBe(200);
    expect((await server.get("user", created.message)).status).toBe(401);
    expect((await server.delete("user/keys", alice, { name: "ci" })).status).toBe(404);
  });

  test.each([
    [400, "bad_request", { permissions: [] }],
    [400, "bad_request", { permissions: ["nonsense"] }],
    [400, "bad_request", { permissions: ["viewOrg"], organization: "acme", cache: "main" }],
    [400, "bad_request", { permissions: ["viewOrg"], organization: "nowhere" }],
    [400, "bad_request", { permissions: ["viewOrg"], cache: "main" }],
    [404, "not_found", { permissions: ["viewCache"], cache: "nowhere" }],
    [400, "invalid_allowed_ip", { permissions: ["viewOrg"], allowed_ips: ["1.2.3.4/99"] }],
    [422, "unprocessable_entity", { permissions: "viewOrg" }],
  ])("that break a rule are refused: %i %s", async (status, code, request) => {
    const answer = await server.post("user/keys", alice, { name: "bad", ...request });
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("have names that are unique for their owner", async () => {
    await server.key(alice, { name: "twice", permissions: ["viewOrg"] });
    const again = await server.post("user/keys", alice, {
      name: "twice",
      permissions: ["viewOrg"],
    });
    expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
    expect(
      (await server.post("user/keys", bob, { name: "twice", permissions: ["viewOrg"] })).status,
    ).toBe(200);
  });

  test("cannot make or delete keys", async () => {
    const key = await server.key(alice, { name: "leaked", permissions: ["viewOrg"] });
    expect(
      (await server.post("user/keys", key, { name: "x", permissions: ["viewOrg"] })).status,
    ).toBe(403);
    expect((await server.delete("user/keys", key, { name: "leaked" })).status).toBe(403);
  });

  test("do not work from elsewhere", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"], allowed_ips: ["10.1.2.3"] });
    const answer = await server.get("user", key);
    expect([answer.status, answer.json?.code]).toEqual([403, "forbidden_source_ip"]);
    const proxied = await server.call("GET", "user", {
      token: key,
      headers: { "x-forwarded-for": "10.1.2.3" },
    });
    expect(proxied.status).toBe(200);
  });

  test("that have expired do not work", async () => {
    const key = await server.key(alice, {
      name: "old",
      permissions: ["viewOrg"],
      expires_in_days: 1,
    });
    const { database } = server.services;
    await database.kysely
      .updateTable("api_keys")
      .set({ expires_at: 1 })
      .where("name", "=", "old")
      .execute();
    expect((await server.get("user", key)).status).toBe(401);
  });

  test("that are pinned to an organization make their owner a stranger elsewhere", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"], organization: "acme" });
    expect((await server.get("orgs/acme", key)).status).toBe(200);
    const { items, total } = (await server.get("orgs", key)).message;
    expect([items.map((org: { name: string }) => org.name), total]).toEqual([["acme"], 1]);
    // To an optional route a pinned key is still its owner, and public or not makes no difference.
    expect((await server.get("orgs/public-org", key)).status).toBe(404);
    expect((await server.put("orgs", key, { name: "new", display_name: "New" })).status).toBe(403);
  });

  test("have no more rights than their mask", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    expect((await server.get("orgs/acme", key)).status).toBe(200);
    const answer = await server.patch("orgs/acme", key, { description: "x" });
    expect([answer.status, answer.json?.code]).toEqual([403, "forbidden"]);
    expect(answer.message).toContain("manageOrgSettings");
  });

  test("that are pinned to a cache reach that cache and nothing else", async () => {
    const key = await server.key(alice, { permissions: ["viewCache"], cache: "main" });
    expect((await server.get("caches/main", key)).status).toBe(200);
    expect((await server.get("caches/main/key", key)).status).toBe(200);
    for (const path of ["caches/other", "caches", "orgs", "orgs/acme", "orgs/public-org", "user"]) {
      expect([path, (await server.get(path, key)).status]).toEqual([path, 403]);
    }
    expect((await server.patch("caches/main", key, { description: "x" })).status).toBe(403);
  });

  test("that are pinned to a cache need manageCacheMembers there", async () => {
    const answer = await server.post("user/keys", bob, {
      name: "x",
      permissions: ["viewCache"],
      cache: "other",
    });
    expect([answer.status, answer.json?.code]).toEqual([403, "forbidden"]);
  });
});
