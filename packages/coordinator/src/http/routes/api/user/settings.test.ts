import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestMailServer } from "../../../../mail/mail-server.test-support.ts";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
  await server.user("taken");
});
afterAll(() => server[Symbol.asyncDispose]());

const setColumns = (username: string, columns: object) =>
  server.services.database.kysely
    .updateTable("users")
    .set(columns)
    .where("username", "=", username)
    .execute();

describe("settings", () => {
  test("show the profile, and change what is given", async () => {
    const token = await server.user("alice");
    expect((await server.get("user/settings", token)).message).toEqual({
      username: "alice",
      name: "User alice",
      email: "alice@example.com",
      is_oidc: false,
      managed: false,
    });
    expect((await server.patch("user/settings", token, { name: "Älice" })).status).toBe(200);
    const change = { username: "Alice2", name: null, email: "Alice@Elsewhere.example" };
    expect((await server.patch("user/settings", token, change)).status).toBe(200);
    expect((await server.get("user/settings", token)).message).toMatchObject({
      username: "Alice2",
      name: "Älice",
      email: "alice@elsewhere.example",
    });
    const login = { loginname: "alice@elsewhere.example", password: PASSWORD };
    expect((await server.post("auth/basic/login", undefined, login)).status).toBe(200);
  });

  test("may be sent as they are", async () => {
    const token = await server.user("bob");
    const same = { username: "bob", name: "User bob", email: "BOB@example.com" };
    expect((await server.patch("user/settings", token, same)).status).toBe(200);
    expect((await server.patch("user/settings", token, {})).status).toBe(200);
  });

  test.each([
    [400, "invalid_username", { username: "admin" }],
    [400, "bad_request", { name: " x" }],
    [400, "invalid_email", { email: "nobody" }],
    [409, "already_exists", { username: "taken" }],
    [409, "already_exists", { username: "Taken" }],
    [409, "already_exists", { email: "taken@example.com", name: "Not stored" }],
    [422, "unprocessable_entity", { name: 7 }],
  ])("that break a rule are refused: %i %s", async (status, code, change) => {
    const username = `carol-${Math.random().toString(36).slice(2)}`;
    const token = await server.user(username);
    const answer = await server.patch("user/settings", token, change);
    expect([answer.status, answer.json?.code]).toEqual([status, code]);
    expect((await server.get("user/settings", token)).message).toMatchObject({
      username,
      name: `User ${username}`,
    });
  });

  test("of accounts that are managed or a provider's cannot be changed", async () => {
    const managed = await server.user("managed");
    await setColumns("managed", { managed: 1 });
    const oidc = await server.user("oidc");
    await setColumns("oidc", { password_hash: null });
    for (const token of [managed, oidc]) {
      const answer = await server.patch("user/settings", token, { name: "X" });
      expect([answer.status, answer.json?.code]).toEqual([403, "forbidden"]);
    }
    expect((await server.get("user/settings", managed)).message.managed).toBe(true);
    expect((await server.get("user/settings", oidc)).message.is_oidc).toBe(true);
  });

  test("are changed by a session alone", async () => {
    const key = await server.key(await server.user("dora"), { permissions: ["viewOrg"] });
    expect((await server.get("user/settings", key)).status).toBe(200);
    expect((await server.patch("user/settings", key, { name: "X" })).status).toBe(403);
    expect((await server.get("user/settings")).status).toBe(401);
    expect((await server.patch("user/settings", undefined, { name: "X" })).status).toBe(401);
  });

  test("another address has to be verified where that is demanded", async () => {
    await using mails = await new TestMailServer().listen();
    const env = { ...mails.env(), GRADIENT_EMAIL_REQUIRE_VERIFICATION: "true" };
    await using strict = await openTestServer({ env });
    const token = await strict.user("erin");
    const change = { email: "erin@new.example" };
    const answer = await strict.patch("user/settings", token, change);
    expect([answer.status, answer.message]).toEqual([200, expect.stringContaining("mailed")]);
    expect(mails.received).toMatchObject([{ to: ["erin@new.example"] }]);
    const login = { loginname: "erin", password: PASSWORD };
    expect((await strict.post("auth/basic/login", undefined, login)).status).toBe(400);
    expect((await strict.patch("user/settings", token, { name: "Erin" })).message).not.toContain(
      "mailed",
    );
  });
});
