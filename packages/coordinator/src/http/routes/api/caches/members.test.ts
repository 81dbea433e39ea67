import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const ADMIN = "00000000-0000-0000-0000-000000000011";

let server: TestServer;
let alice: string;
let bob: string;
let carol: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  carol = await server.user("carol");
  await server.put("caches", alice, { name: "main", display_name: "Main" });
  await server.put("caches", alice, { name: "second", display_name: "Second" });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("members of a cache", () => {
  const members = "caches/main/members";

  test("are added, changed and removed by who may", async () => {
    expect((await server.post(members, alice, { user: "carol", role: "Write" })).status).toBe(200);
    expect((await server.get(members, carol)).message).toEqual([
      { id: "alice", name: "Admin" },
      { id: "carol", name: "Write" },
    ]);
    expect((await server.get(members, bob)).status).toBe(404);
    expect((await server.post(members, carol, { user: "bob", role: "View" })).status).toBe(403);
    expect((await server.post(members, alice, { user: "carol", role: "View" })).status).toBe(409);
    expect((await server.post(members, alice, { user: "nobody", role: "View" })).status).toBe(404);
    expect((await server.post(members, alice, { user: "bob", role: "Boss" })).status).toBe(404);
    expect((await server.patch(members, alice, { user: "bob", role: "View" })).status).toBe(400);
    expect((await server.patch(members, alice, { user: "carol", role: "View" })).status).toBe(200);
    expect((await server.delete(members, alice, { username: "carol" })).status).toBe(200);
    expect((await server.get("caches/main", carol)).status).toBe(404);
  });

  test("always have an Admin among them", async () => {
    expect((await server.delete(members, alice, { user: "alice" })).status).toBe(409);
    expect((await server.patch(members, alice, { user: "alice", role: "View" })).status).toBe(409);
    expect((await server.patch(members, alice, { user: "alice", role: "Admin" })).status).toBe(200);
  });

  test("may do what a role of the cache's own allows", async () => {
    const roles = "caches/main/roles";
    const made = await server.post(roles, alice, {
      name: "keeper",
      permissions: ["viewCache", "manageCacheMembers"],
    });
    expect(made.message).toMatchObject({
      name: "keeper",
      cache: expect.any(String),
      permissions: ["viewCache", "manageCacheMembers"],
    });
    const path = `${roles}/${made.message.id}`;
    expect((await server.post(members, alice, { user: "bob", role: "keeper" })).status).toBe(200);
    expect((await server.post(members, bob, { user: "carol", role: "View" })).status).toBe(403);
    expect((await server.post(members, bob, { user: "carol", role: "keeper" })).status).toBe(200);
    expect((await server.post(roles, bob, { name: "x", permissions: [] })).status).toBe(403);
    expect((await server.patch(path, alice, { permissions: ["viewCache"] })).status).toBe(200);
    expect((await server.delete(members, bob, { user: "carol" })).status).toBe(403);
    expect((await server.delete(path, alice)).status).toBe(409);
    for (const user of ["bob", "carol"]) await server.delete(members, alice, { user });
    expect((await server.delete(path, alice)).message).toBe(true);
    const { message } = await server.get(roles, alice);
    expect([message.roles[0].id, message.roles.length]).toEqual([ADMIN, 3]);
    expect(message.available_permissions).toHaveLength(10);
    expect((await server.get(`${roles}/${ADMIN}`, alice)).message.cache).toBeNull();
  });

  test("can use a key that is pinned to the cache, and only there", async () => {
    const key = await server.key(alice, {
      permissions: ["viewCache", "manageCacheMembers"],
      cache: "main",
    });
    expect((await server.get(members, key)).status).toBe(200);
    expect((await server.get("caches/second/members", key)).status).toBe(403);
    expect((await server.post(members, key, { user: "bob", role: "View" })).status).toBe(403);
  });
});

describe("the visibility of a cache", () => {
  test("is changed by who may, asked for, and public ones are listed without secrets", async () => {
    expect((await server.get("caches/main/public", alice)).message).toBe(false);
    expect((await server.get("caches/main/public")).status).toBe(404);
    expect((await server.post("caches/main/public", bob)).status).toBe(404);
    expect((await server.get("caches/public")).message.total).toBe(0);
    expect((await server.post("caches/main/public", alice)).status).toBe(200);
    expect((await server.get("/cache/main/nix-cache-info")).status).toBe(200);
    expect((await server.get("caches/main/public")).message).toBe(true);
    const listed = await server.get("caches/public");
    expect(listed.message.items).toMatchObject([{ name: "main", public: true }]);
    expect(listed.text).not.toContain("private");
    expect((await server.get("caches/main/members", bob)).status).toBe(403);
    expect((await server.delete("caches/main/public", alice)).status).toBe(200);
    expect((await server.get("/cache/main/nix-cache-info")).status).toBe(401);
  });
});

test("names tell whether they can be used", async () => {
  expect((await server.get("caches/available?name=main", bob)).message).toBe(false);
  expect((await server.get("caches/available?name=free", bob)).message).toBe(true);
  expect((await server.get("caches/available?name=a--", bob)).json?.code).toBe("invalid_name");
});
