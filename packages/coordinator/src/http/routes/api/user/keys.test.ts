import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let bob: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.put("orgs", bob, { name: "foreign", display_name: "Foreign" });
  await server.put("caches", alice, { name: "main", display_name: "Main" });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A new key of alice's: its secret and its row. */
async function key(request: Record<string, unknown> = {}) {
  const name = `key-${Math.random()}`;
  const secret = await server.key(alice, { permissions: ["viewOrg"], ...request, name });
  return { secret, ...(await find(name)) };
}

async function find(name: string) {
  const { message } = await server.get("user/keys", alice);
  return message.find((each: { name: string }) => each.name === name);
}

const change = (id: string, body: unknown, token: string | undefined = alice) =>
  server.patch(`user/keys/${id}`, token, body);

const setManaged = (id: string) =>
  server.services.database.kysely
    .updateTable("api_keys")
    .set({ managed: 1 })
    .where("id", "=", id)
    .execute();

describe("changing a key", () => {
  test("replaces its rights without another secret", async () => {
    const { id, secret } = await key({ permissions: ["viewOrg", "manageOrgSettings"] });
    const settings = { description: "x" };
    expect((await server.patch("orgs/acme", secret, settings)).status).toBe(200);
    const answer = await change(id, {
      name: "renamed",
      permissions: ["viewOrg"],
      organization: "acme",
      allowed_ips: ["127.0.0.1"],
    });
    expect(answer.message).toMatchObject({
      id,
      name: "renamed",
      permissions: ["viewOrg"],
      organization: "acme",
      cache: null,
      allowed_ips: ["127.0.0.1/32"],
    });
    expect(await find("renamed")).toEqual(answer.message);
    expect((await server.patch("orgs/acme", secret, settings)).status).toBe(403);
    expect((await server.get("orgs/acme", secret)).status).toBe(200);
  });

  test("leaves alone what is absent, and lifts a pin only when told to", async () => {
    const { id, ...before } = await key({ organization: "acme", allowed_ips: ["10.0.0.0/8"] });
    expect((await change(id, {})).message).toMatchObject({
      name: before.name,
      organization: "acme",
      allowed_ips: ["10.0.0.0/8"],
    });
    expect((await change(id, { organization: null })).message.organization).toBeNull();
    expect((await change(id, { organization: "acme" })).message.organization).toBe("acme");
    const last = await change(id, { organization: "", allowed_ips: [] });
    expect(last.message).toMatchObject({ organization: null, allowed_ips: [] });
  });

  test("of a cache takes the names of the cache's catalogue", async () => {
    const { id } = await key({ permissions: ["viewCache"], cache: "main" });
    const wider = await change(id, { permissions: ["viewCache", "writeStore"] });
    expect(wider.message).toMatchObject({
      cache: "main",
      permissions: ["viewCache", "writeStore"],
    });
    const foreign = await change(id, { permissions: ["viewOrg"] });
    expect([foreign.status, foreign.message]).toEqual([400, expect.stringContaining("viewOrg")]);
    const pinned = await change(id, { organization: "acme" });
    expect([pinned.status, pinned.message]).toEqual([400, expect.stringContaining("cache")]);
    expect((await change(id, { organization: null })).message.cache).toBe("main");
  });

  test("of a cache needs what making it needed", async () => {
    const { kysely } = server.services.database;
    await server.post("caches/main/members", alice, { user: "bob", role: "Write" });
    const owner = await kysely
      .selectFrom("users")
      .select("id")
      .where("username", "=", "bob")
      .executeTakeFirstOrThrow();
    const { id } = await key({ permissions: ["viewCache"], cache: "main" });
    await kysely.updateTable("api_keys").set({ user_id: owner.id }).where("id", "=", id).execute();
    const answer = await change(id, { permissions: ["viewCache"] }, bob);
    expect([answer.status, answer.message]).toEqual([
      403,
      expect.stringContaining("manageCacheMembers"),
    ]);
  });

  test.each([
    [400, "bad_request", { permissions: [] }],
    [400, "bad_request", { permissions: ["viewCache"] }],
    [400, "bad_request", { organization: "foreign" }],
    [400, "bad_request", { organization: "nowhere" }],
    [400, "bad_request", { name: " " }],
    [400, "invalid_allowed_ip", { allowed_ips: ["x"] }],
    [422, "unprocessable_entity", { permissions: "viewOrg" }],
  ])("so that it breaks a rule is refused: %i %s", async (status, code, body) => {
    const { id } = await key();
    const answer = await change(id, body);
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("to a name that another key has is refused, to its own is not", async () => {
    const { name } = await key();
    const { id, name: own } = await key();
    const answer = await change(id, { name });
    expect([answer.status, answer.json?.code]).toEqual([409, "already_exists"]);
    expect((await change(id, { name: own })).status).toBe(200);
  });

  test("is for its owner's sessions alone", async () => {
    const { id, secret } = await key();
    const foreign = await change(id, { name: "x" }, bob);
    expect([foreign.status, foreign.json?.code]).toEqual([404, "not_found"]);
    expect((await change(id, { name: "x" }, secret)).status).toBe(403);
    expect((await server.patch(`user/keys/${id}`, undefined, {})).status).toBe(401);
    expect((await change("nonsense", {})).status).toBe(400);
    await setManaged(id);
    expect((await change(id, { name: "x" })).status).toBe(403);
  });
});

describe("revoking a key", () => {
  const revoke = (id: string, token: string | undefined = alice) =>
    server.post(`user/keys/${id}/revoke`, token);

  test("makes it worthless at once and keeps it in the list", async () => {
    const { id, name, secret } = await key();
    expect((await revoke(id)).status).toBe(200);
    expect((await server.get("user", secret)).status).toBe(401);
    const { revoked_at: at } = await find(name);
    expect(at).toMatch(/Z$/);
    expect((await revoke(id)).status).toBe(200);
    expect((await find(name)).revoked_at).toBe(at);
  });

  test("is for its owner's sessions alone", async () => {
    const { id, secret } = await key();
    expect((await revoke(id, bob)).status).toBe(404);
    expect((await revoke(id, secret)).status).toBe(403);
    expect((await server.post(`user/keys/${id}/revoke`)).status).toBe(401);
    await setManaged(id);
    expect((await revoke(id)).status).toBe(403);
    expect((await server.get("user", secret)).status).toBe(200);
  });
});

test("a managed key cannot be deleted", async () => {
  const { id, name } = await key();
  await setManaged(id);
  expect((await server.delete("user/keys", alice, { name })).status).toBe(403);
});

test("what happens to keys stands in the audit trail", async () => {
  const { id, name } = await key();
  await change(id, { allowed_ips: [] });
  await server.post(`user/keys/${id}/revoke`, alice);
  await server.delete("user/keys", alice, { name });
  const { items } = (await server.get("user/audit-log?per_page=4", alice)).message;
  expect(
    items.map((item: { event: string; subject: string }) => [item.event, item.subject]),
  ).toEqual(["delete", "revoke", "update", "create"].map((what) => [`api_key.${what}`, name]));
});
