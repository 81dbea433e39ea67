import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const PATH = "orgs/acme/integrations";
const inbound = { name: "git", kind: "inbound", forge_type: "gitea", secret: "hush-hush" };

let server: TestServer;
let alice: string;
let stranger: string;

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  stranger = await server.user("stranger");
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("an integration", () => {
  test("is made, read, changed and removed, and never shows its secrets", async () => {
    const made = await server.put(PATH, alice, inbound);
    expect(made.message).toEqual({
      id: expect.any(String),
      organization: (await server.get("orgs/acme", alice)).message.id,
      name: "git",
      display_name: "git",
      kind: "inbound",
      forge_type: "gitea",
      endpoint_url: null,
      has_secret: true,
      has_access_token: false,
      hook_url: "https://farm.example:8443/api/v1/hooks/gitea/acme/git",
      created_by: (await server.get("user", alice)).message.id,
      created_at: expect.stringMatching(/Z$/),
    });
    const path = `${PATH}/${made.message.id}`;
    expect((await server.get(path, alice)).message).toEqual(made.message);
    expect((await server.get(PATH, alice)).message).toEqual([made.message]);

    const changed = await server.patch(path, alice, { display_name: "Our Git" });
    expect(changed.message).toMatchObject({ display_name: "Our Git", has_secret: true });
    const emptied = await server.patch(path, alice, { secret: "" });
    expect(emptied.message.has_secret).toBe(false);

    expect((await server.delete(path, alice)).message).toBe(true);
    expect((await server.get(path, alice)).status).toBe(404);
  });

  test("keeps its secrets sealed", async () => {
    const token = { ...inbound, name: "sealed", kind: "outbound", access_token: "token-in-clear" };
    const outbound = { ...token, endpoint_url: "https://git.example.org" };
    const answer = await server.put(PATH, alice, outbound);
    expect(answer.message).toMatchObject({ has_secret: true, has_access_token: true });
    expect(answer.message.hook_url).toBeNull();
    expect(answer.text).not.toMatch(/hush-hush|token-in-clear/);
    const row = await server.services.database.kysely
      .selectFrom("integrations")
      .selectAll()
      .where("id", "=", answer.message.id)
      .executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toMatch(/hush-hush|token-in-clear/);
    await server.delete(`${PATH}/${answer.message.id}`, alice);
  });

  test("has a name of its own among those of its kind", async () => {
    const first = (await server.put(PATH, alice, inbound)).message;
    expect((await server.put(PATH, alice, inbound)).json?.code).toBe("already_exists");
    const other = { ...inbound, kind: "outbound", endpoint_url: "https://git.example.org" };
    const second = (await server.put(PATH, alice, other)).message;
    const third = (await server.put(PATH, alice, { ...inbound, name: "third" })).message;
    const renamed = await server.patch(`${PATH}/${third.id}`, alice, { name: "git" });
    expect([renamed.status, renamed.json?.code]).toEqual([409, "already_exists"]);
    for (const { id } of [first, second, third]) await server.delete(`${PATH}/${id}`, alice);
  });

  test.each([
    [400, { name: "Not A Slug" }],
    [400, { name: "summary" }],
    [422, { kind: "both" }],
    [422, { forge_type: "sourcehut" }],
    [400, { kind: "outbound" }],
    [400, { kind: "outbound", endpoint_url: "http://127.0.0.1:3000" }],
    [400, { kind: "outbound", endpoint_url: "http://169.254.169.254/" }],
    [400, { kind: "outbound", endpoint_url: "file:///etc/passwd" }],
  ])("that breaks a rule is refused: %i %j", async (status, change) => {
    expect((await server.put(PATH, alice, { ...inbound, name: "x", ...change })).status).toBe(
      status,
    );
  });

  test("of GitHub or GitLab has an address without being told", async () => {
    for (const forge_type of ["github", "gitlab"]) {
      const body = { name: forge_type, kind: "outbound", forge_type, access_token: "t" };
      const { status, message } = await server.put(PATH, alice, body);
      expect(status).toBe(200);
      await server.delete(`${PATH}/${message.id}`, alice);
    }
  });

  test("is for who may manage it, and named to every member", async () => {
    const { id } = (await server.put(PATH, alice, inbound)).message;
    const reader = await server.key(alice, { permissions: ["viewOrg"], organization: "acme" });
    for (const [token, status] of [
      [reader, 403],
      [stranger, 404],
      [undefined, 401],
    ] as const) {
      expect((await server.get(PATH, token)).status).toBe(status);
      expect((await server.get(`${PATH}/${id}`, token)).status).toBe(status);
      expect((await server.put(PATH, token, { ...inbound, name: "y" })).status).toBe(status);
      expect((await server.patch(`${PATH}/${id}`, token, { name: "z" })).status).toBe(status);
      expect((await server.delete(`${PATH}/${id}`, token)).status).toBe(status);
    }
    expect((await server.get(`${PATH}/summary`, reader)).message).toEqual([
      { id, name: "git", display_name: "git", kind: "inbound", forge_type: "gitea" },
    ]);
    expect((await server.get(`${PATH}/summary`, stranger)).status).toBe(404);
    await server.delete(`${PATH}/${id}`, alice);
  });

  test("of another organization is not there", async () => {
    await server.put("orgs", stranger, { name: "theirs", display_name: "Theirs" });
    const { id } = (await server.put("orgs/theirs/integrations", stranger, inbound)).message;
    expect((await server.get(`${PATH}/${id}`, alice)).status).toBe(404);
    expect((await server.delete(`${PATH}/${id}`, alice)).status).toBe(404);
  });
});
