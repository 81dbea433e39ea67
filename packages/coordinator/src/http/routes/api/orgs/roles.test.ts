import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const ADMIN = "00000000-0000-0000-0000-000000000001";
const VIEW = "00000000-0000-0000-0000-000000000003";

let server: TestServer;
let alice: string;
let bob: string;
let carol: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  bob = await server.user("bob");
  carol = await server.user("carol");
  for (const name of ["acme", "other"]) {
    await server.put("orgs", alice, { name, display_name: name });
  }
  await server.post("orgs/acme/users", alice, { user: "carol", role: "View" });
});
afterAll(() => server[Symbol.asyncDispose]());

async function makeRole(name: string, permissions: string[]): Promise<string> {
  const answer = await server.post("orgs/acme/roles", alice, { name, permissions });
  expect([answer.status, answer.json?.error]).toEqual([200, false]);
  return answer.message.id;
}

describe("roles of an organization", () => {
  test("are the built-in ones with their ids, and its own, with what a role may allow", async () => {
    await makeRole("releaser", ["triggerEvaluation", "viewOrg"]);
    const { message } = await server.get("orgs/acme/roles", carol);
    expect(message.roles).toHaveLength(4);
    expect(message.roles[0]).toMatchObject({
      id: ADMIN,
      name: "Admin",
      organization: null,
      builtin: true,
      managed: false,
    });
    expect(message.roles[3]).toEqual({
      id: expect.any(String),
      name: "releaser",
      organization: expect.any(String),
      builtin: false,
      managed: false,
      permissions: ["viewOrg", "triggerEvaluation"],
    });
    expect(message.available_permissions).toHaveLength(14);
    const path = `orgs/acme/roles/${message.roles[3].id}`;
    expect((await server.get(path, carol)).message).toEqual(message.roles[3]);
    expect((await server.get(path, bob)).status).toBe(404);
    expect((await server.get(path.replace("acme", "other"), alice)).status).toBe(404);
    expect((await server.get(`orgs/other/roles/${VIEW}`, alice)).message.name).toBe("View");
    expect((await server.get("orgs/acme/roles")).status).toBe(401);
  });

  test("decide what their members may do, and a change counts at once", async () => {
    const id = await makeRole("editor", ["viewOrg", "manageOrgSettings"]);
    await server.post("orgs/acme/users", alice, { user: "bob", role: "editor" });
    expect((await server.get("orgs/acme", bob)).message.role).toBe("editor");
    expect((await server.patch("orgs/acme", bob, { description: "by bob" })).status).toBe(200);
    expect((await server.post("orgs/acme/ssh", bob)).status).toBe(403);
    const renamed = await server.patch(`orgs/acme/roles/${id}`, alice, {
      name: "keeper",
      permissions: ["viewOrg", "manageSshKey"],
    });
    expect(renamed.message).toMatchObject({ id, name: "keeper" });
    expect((await server.get("orgs/acme", bob)).message.role).toBe("keeper");
    expect((await server.patch("orgs/acme", bob, { description: "x" })).status).toBe(403);
    expect((await server.post("orgs/acme/ssh", bob)).status).toBe(200);
    const used = await server.delete(`orgs/acme/roles/${id}`, alice);
    expect([used.status, used.message]).toEqual([409, expect.stringContaining("bob")]);
    await server.delete("orgs/acme/users", alice, { user: "bob" });
    expect((await server.delete(`orgs/acme/roles/${id}`, alice)).message).toBe(true);
    expect((await server.get(`orgs/acme/roles/${id}`, alice)).status).toBe(404);
  });

  test("give nobody what the giver lacks", async () => {
    await makeRole("warden", ["viewOrg", "manageRoles", "manageMembers"]);
    await server.post("orgs/acme/users", alice, { user: "bob", role: "warden" });
    const roles = "orgs/acme/roles";
    const more = { name: "more", permissions: ["viewOrg", "deleteOrg"] };
    const refused = await server.post(roles, bob, more);
    expect([refused.status, refused.message]).toEqual([403, expect.stringContaining("deleteOrg")]);
    const made = await server.post(roles, bob, { name: "less", permissions: ["viewOrg"] });
    expect(made.status).toBe(200);
    const path = `${roles}/${made.message.id}`;
    expect((await server.patch(path, bob, { permissions: ["deleteOrg"] })).status).toBe(403);
    const own = { user: "bob", role: "Admin" };
    expect((await server.patch("orgs/acme/users", bob, own)).status).toBe(403);
    expect(
      (await server.patch("orgs/acme/users", bob, { user: "carol", role: "less" })).status,
    ).toBe(200);
    const key = await server.key(alice, { permissions: ["viewOrg", "manageMembers"] });
    expect((await server.patch("orgs/acme/users", key, own)).status).toBe(403);
    await server.patch("orgs/acme/users", alice, { user: "carol", role: "View" });
    await server.delete("orgs/acme/users", alice, { user: "bob" });
  });

  test.each([
    [400, "invalid_name", { name: "Upper", permissions: ["viewOrg"] }],
    [400, "invalid_name", { name: "admin", permissions: ["viewOrg"] }],
    [400, "bad_request", { name: "x", permissions: ["readStore"] }],
    [409, "already_exists", { name: "releaser", permissions: ["viewOrg"] }],
    [422, "unprocessable_entity", { name: "x" }],
  ])("with a wrong field are not made: %i %s", async (status, code, body) => {
    const answer = await server.post("orgs/acme/roles", alice, body);
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
  });

  test("that are built in or managed stay as they are", async () => {
    const id = await makeRole("fixed", ["viewOrg"]);
    const { kysely } = server.services.database;
    await kysely.updateTable("roles").set({ managed: 1 }).where("id", "=", id).execute();
    for (const role of [ADMIN, id]) {
      const path = `orgs/acme/roles/${role}`;
      expect((await server.patch(path, alice, { name: "other" })).status).toBe(403);
      expect((await server.delete(path, alice)).status).toBe(403);
    }
    expect((await server.delete(`orgs/acme/roles/${id}`, carol)).status).toBe(403);
  });
});

describe("the visibility of an organization", () => {
  test("is changed by who may, and public ones are listed to everybody without secrets", async () => {
    expect((await server.post("orgs/acme/public", carol)).status).toBe(403);
    expect((await server.post("orgs/acme/public", bob)).status).toBe(404);
    expect((await server.get("orgs/public")).message.total).toBe(0);
    expect((await server.post("orgs/acme/public", alice)).status).toBe(200);
    const listed = await server.get("orgs/public");
    expect(listed.message).toMatchObject({ total: 1, page: 1, per_page: 50 });
    expect(listed.message.items[0]).toMatchObject({ name: "acme", public: true, role: null });
    expect(listed.text).not.toContain("private");
    expect((await server.get("orgs/public", carol)).message.items[0].role).toBe("View");
    const elsewhere = await server.key(alice, { permissions: ["viewOrg"], organization: "other" });
    expect((await server.get("orgs/public", elsewhere)).message.total).toBe(0);
    expect((await server.delete("orgs/acme/public", alice)).status).toBe(200);
    expect((await server.get("orgs/acme")).status).toBe(404);
  });
});

test("names tell whether they can be used", async () => {
  expect((await server.get("orgs/available?name=acme", bob)).message).toBe(false);
  expect((await server.get("orgs/available?name=free", bob)).message).toBe(true);
  expect((await server.get("orgs/available?name=public", bob)).json?.code).toBe("invalid_name");
  expect((await server.get("orgs/available", bob)).status).toBe(400);
  expect((await server.get("orgs/available?name=free")).status).toBe(401);
  expect((await server.get("projects/acme/available?name=site", alice)).message).toBe(true);
  await server.put("projects/acme", alice, {
    name: "site",
    display_name: "Site",
    repository: "https://example.org/site.git",
    wildcard: "*",
  });
  expect((await server.get("projects/acme/available?name=site", alice)).message).toBe(false);
  expect((await server.get("projects/acme/available?name=site", bob)).status).toBe(404);
});

test("what is done to members and roles, and what is deleted, stands in the audit trail", async () => {
  const dora = await server.user("dora");
  for (const [kind, members] of [
    ["orgs", "users"],
    ["caches", "members"],
  ] as const) {
    await server.put(kind, dora, { name: "tidy", display_name: "Tidy" });
    const role = await server.post(`${kind}/tidy/roles`, dora, { name: "helper", permissions: [] });
    const path = `${kind}/tidy/roles/${role.message.id}`;
    await server.patch(path, dora, { name: "aide" });
    await server.post(`${kind}/tidy/${members}`, dora, { user: "bob", role: "aide" });
    await server.patch(`${kind}/tidy/${members}`, dora, { user: "bob", role: "View" });
    await server.delete(`${kind}/tidy/${members}`, dora, { user: "bob" });
    await server.delete(path, dora);
    await server.delete(`${kind}/tidy`, dora);
  }
  const { message } = await server.get("user/audit-log", dora);
  const events = message.items.map((item: { event: string }) => item.event).toReversed();
  expect(events.filter((event: string) => /^(?:organization|cache)\./.test(event))).toEqual([
    "organization.role.create",
    "organization.role.update",
    "organization.member.add",
    "organization.member.role_change",
    "organization.member.remove",
    "organization.role.delete",
    "organization.delete",
    "cache.role.create",
    "cache.role.update",
    "cache.member.create",
    "cache.member.update",
    "cache.member.delete",
    "cache.role.delete",
    "cache.delete",
  ]);
});
