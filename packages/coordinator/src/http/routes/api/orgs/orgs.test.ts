import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;
let carol: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  carol = await server.user("carol");
  await server.put("orgs", alice, {
    name: "acme",
    display_name: "Acme Inc.",
    description: "first",
  });
  await server.put("orgs", alice, { name: "open", display_name: "Open", public: true });
  await server.post("orgs/acme/users", alice, { user: "carol", role: "View" });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("organizations", () => {
  test("are listed page by page to their members", async () => {
    const { message } = await server.get("orgs?per_page=1&page=2", alice);
    expect(message).toEqual({
      items: [expect.objectContaining({ name: "open", role: "Admin", running_evaluations: 0 })],
      total: 2,
      page: 2,
      per_page: 1,
    });
    expect((await server.get("orgs", bob)).message).toEqual({
      items: [],
      total: 0,
      page: 1,
      per_page: 50,
    });
    expect((await server.get("orgs?per_page=1000", alice)).message.per_page).toBe(100);
    expect((await server.get("orgs")).status).toBe(401);
  });

  test("have every field that clients want", async () => {
    const { message } = await server.get("orgs/acme", carol);
    expect(message).toEqual({
      id: expect.any(String),
      name: "acme",
      display_name: "Acme Inc.",
      description: "first",
      public_key: expect.stringMatching(/^ssh-ed25519 AAAA[A-Za-z0-9+/=]+$/),
      public: false,
      hide_build_requests: false,
      reuse_build_failures: false,
      reuse_build_timeouts: false,
      managed: false,
      created_by: expect.any(String),
      created_at: expect.stringMatching(/Z$/),
      role: "View",
      github_app_available: false,
    });
  });

  test("that are private do not exist for others", async () => {
    const stranger = await server.get("orgs/acme", bob);
    const missing = await server.get("orgs/nowhere", bob);
    expect([stranger.status, missing.status, (await server.get("orgs/acme")).status]).toEqual([
      404, 404, 404,
    ]);
    expect(stranger.message.replace("acme", "nowhere")).toBe(missing.message);
  });

  test("that are public can be read by everybody, also with a dead token", async () => {
    expect((await server.get("orgs/open")).message.role).toBeNull();
    expect((await server.get("orgs/open", bob)).status).toBe(200);
    expect((await server.get("orgs/open", "dead")).status).toBe(200);
    expect((await server.patch("orgs/open", bob, { description: "x" })).status).toBe(404);
  });

  test.each([
    [{ name: "Upper", display_name: "x" }, 400, "invalid_name"],
    [{ name: "-x", display_name: "x" }, 400, "invalid_name"],
    [{ name: "public", display_name: "x" }, 400, "invalid_name"],
    [{ name: "x", display_name: "two  spaces" }, 400, "bad_request"],
    [{ name: "acme", display_name: "x" }, 409, "already_exists"],
    [{ display_name: "x" }, 422, "unprocessable_entity"],
  ])("with a wrong field are not made: %j", async (body, status, code) => {
    const answer = await server.put("orgs", bob, body);
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("can be changed by who may, and keep their name when it is sent again", async () => {
    const { message: before } = await server.get("orgs/acme", alice);
    const answer = await server.patch("orgs/acme", alice, {
      name: "acme",
      description: "second",
      hide_build_requests: true,
      display_name: null,
    });
    expect([answer.status, answer.message]).toEqual([200, before.id]);
    const { message: after } = await server.get("orgs/acme", alice);
    expect(after).toEqual({ ...before, description: "second", hide_build_requests: true });
    expect((await server.patch("orgs/acme", carol, { description: "x" })).status).toBe(403);
    expect((await server.patch("orgs/acme", bob, { description: "x" })).status).toBe(404);
    expect((await server.patch("orgs/acme", alice, { name: "open" })).status).toBe(409);
  });

  test("are deleted with all that is theirs", async () => {
    await server.put("orgs", alice, { name: "gone", display_name: "Gone" });
    const workerId = "550e8400-e29b-41d4-a716-446655440009";
    await server.post("orgs/gone/workers", alice, { worker_id: workerId });
    expect((await server.delete("orgs/gone", bob)).status).toBe(404);
    server.calls.registrationsChanged.length = 0;
    expect((await server.delete("orgs/gone", alice)).status).toBe(200);
    expect(server.calls.registrationsChanged).toEqual([workerId]);
    expect((await server.get("orgs/gone", alice)).status).toBe(404);
  });

  test("that are managed cannot be changed", async () => {
    await server.put("orgs", alice, { name: "fixed", display_name: "Fixed" });
    const { database } = server.services;
    await database.kysely
      .updateTable("organizations")
      .set({ managed: 1 })
      .where("name", "=", "fixed")
      .execute();
    expect((await server.patch("orgs/fixed", alice, { description: "x" })).status).toBe(403);
    expect((await server.delete("orgs/fixed", alice)).status).toBe(403);
    expect(
      (await server.post("orgs/fixed/users", alice, { user: "bob", role: "View" })).status,
    ).toBe(403);
  });

  test("can be made only by superusers where the setting says so", async () => {
    await using strict = await openTestServer({ env: { GRADIENT_CREATE_ORG: "superusers" } });
    const user = await strict.user("user1");
    const root = await strict.user("root1", true);
    const answer = await strict.put("orgs", user, { name: "a", display_name: "A" });
    expect([answer.status, answer.json?.code]).toEqual([403, "superuser_required"]);
    expect((await strict.put("orgs", root, { name: "a", display_name: "A" })).status).toBe(200);
    await using closed = await openTestServer({ env: { GRADIENT_CREATE_ORG: "none" } });
    const nobody = await closed.put("orgs", await closed.user("root2", true), {
      name: "a",
      display_name: "A",
    });
    expect([nobody.status, nobody.json?.code]).toEqual([403, "creation_disabled"]);
  });
});

describe("members", () => {
  test("are listed by user name and role", async () => {
    const { message } = await server.get("orgs/acme/users", carol);
    expect(message).toEqual([
      { id: "alice", name: "Admin" },
      { id: "carol", name: "View" },
    ]);
    expect((await server.get("orgs/acme/users", bob)).status).toBe(404);
    expect((await server.get("orgs/open/users")).status).toBe(200);
  });

  test("are added, changed and removed by who may", async () => {
    expect(
      (await server.post("orgs/open/users", alice, { username: "bob", role: "Write" })).status,
    ).toBe(200);
    const again = await server.post("orgs/open/users", alice, { user: "bob", role: "Write" });
    expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
    expect(
      (await server.post("orgs/open/users", bob, { user: "carol", role: "View" })).status,
    ).toBe(403);
    expect(
      (await server.patch("orgs/open/users", alice, { user: "bob", role: "Admin" })).status,
    ).toBe(200);
    expect((await server.get("orgs/open", bob)).message.role).toBe("Admin");
    expect((await server.delete("orgs/open/users", alice, { user: "bob" })).status).toBe(200);
    const gone = await server.delete("orgs/open/users", alice, { user: "bob" });
    expect([gone.status, gone.json?.code]).toEqual([400, "bad_request"]);
  });

  test("with an unknown name or role are refused", async () => {
    expect(
      (await server.post("orgs/open/users", alice, { user: "nobody", role: "View" })).status,
    ).toBe(404);
    expect(
      (await server.post("orgs/open/users", alice, { user: "bob", role: "Boss" })).status,
    ).toBe(404);
    const nameless = await server.post("orgs/open/users", alice, { role: "View" });
    expect([nameless.status, nameless.message]).toEqual([
      422,
      'field "user": expected the name of a user',
    ]);
    expect(
      (await server.patch("orgs/open/users", alice, { user: "bob", role: "View" })).status,
    ).toBe(400);
  });

  test("always include an Admin", async () => {
    const leave = await server.delete("orgs/acme/users", alice, { user: "alice" });
    expect([leave.status, leave.json?.code]).toEqual([409, "conflict"]);
    const demote = await server.patch("orgs/acme/users", alice, { user: "alice", role: "View" });
    expect(demote.status).toBe(409);
  });
});

describe("SSH key", () => {
  test("is shown to members as a line of authorized_keys and can be renewed", async () => {
    const { message: first } = await server.get("orgs/acme/ssh", carol);
    expect(first).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+ farm\.example:8443-acme$/);
    const { message: second } = await server.post("orgs/acme/ssh", carol);
    expect(second).not.toBe(first);
    expect((await server.get("orgs/acme/ssh", alice)).message).toBe(second);
    expect((await server.get("orgs/open/ssh")).status).toBe(401);
    expect((await server.get("orgs/open/ssh", bob)).status).toBe(404);
  });
});

describe("known hosts", () => {
  test("are shown to members, and forgotten by who may manage the key", async () => {
    const { id } = (await server.get("orgs/acme", alice)).message;
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const host = "[git.example.org]:2222";
    const seen = { worker_id: "w", seen_at: 0 };
    await server.services.database.kysely
      .insertInto("known_host_keys")
      .values({ organization_id: id, host, key, ...seen })
      .execute();
    const listed = await server.get("orgs/acme/known-hosts", carol);
    expect(listed.message).toMatchObject([
      { host, key, fingerprint: "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" },
    ]);
    expect((await server.get("orgs/acme/known-hosts")).status).toBe(401);
    const path = `orgs/acme/known-hosts/${encodeURIComponent(host)}`;
    expect((await server.delete(path, bob)).status).not.toBe(200);
    expect((await server.delete(path, alice)).status).toBe(200);
    expect((await server.delete(path, alice)).status).toBe(404);
  });
});

describe("subscriptions", () => {
  beforeAll(async () => {
    await server.put("caches", alice, { name: "main", display_name: "Main" });
  });

  test("need rights on both sides and tell the farm", async () => {
    const { id } = (await server.get("orgs/acme", alice)).message;
    expect((await server.post("orgs/acme/subscribe/main", carol)).status).toBe(404);
    expect((await server.post("orgs/acme/subscribe/main", alice)).status).toBe(200);
    expect(server.calls.cachesChanged).toEqual([id]);
    const again = await server.post("orgs/acme/subscribe/main", alice);
    expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
    expect((await server.get("orgs/acme/subscribe", carol)).message).toEqual([
      { id: expect.any(String), name: "main", mode: "ReadWrite" },
    ]);
    // By now carol sees the cache through her organization, without a right to take it away.
    expect((await server.delete("orgs/acme/subscribe/main", carol)).status).toBe(403);
    expect((await server.delete("orgs/acme/subscribe/main", alice)).status).toBe(200);
    expect((await server.delete("orgs/acme/subscribe/main", alice)).status).toBe(400);
  });

  test.each([
    [{}, "ReadWrite"],
    [{ mode: "read_only" }, "ReadOnly"],
    [{ mode: "WriteOnly" }, "WriteOnly"],
  ])("take the mode in both spellings: %j", async (body, mode) => {
    expect((await server.post("orgs/open/subscribe/main", alice, body)).status).toBe(200);
    expect((await server.get("orgs/open/subscribe", alice)).message[0].mode).toBe(mode);
    await server.delete("orgs/open/subscribe/main", alice);
  });

  test("with a mode that is none are refused", async () => {
    expect((await server.post("orgs/open/subscribe/main", alice, { mode: "x" })).status).toBe(422);
    expect((await server.post("orgs/open/subscribe/nowhere", alice)).status).toBe(404);
  });
});
