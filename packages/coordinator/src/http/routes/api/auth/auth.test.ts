import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, PASSWORD, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const bob = { username: "bob", name: "Bob B.", email: "Bob@Example.com", password: PASSWORD };

describe("register", () => {
  test("makes an account that can log in by name and by e-mail address", async () => {
    const answer = await server.post("auth/basic/register", undefined, bob);
    expect(answer.status).toBe(200);
    expect(answer.message).toMatch(/[0-9a-f-]{36}/);
    for (const loginname of ["bob", "bob@example.com", "BOB@example.com"]) {
      const login = await server.post("auth/basic/login", undefined, {
        loginname,
        password: PASSWORD,
      });
      expect(login.status).toBe(200);
    }
  });

  test("refuses a name or address that is taken", async () => {
    const again = await server.post("auth/basic/register", undefined, { ...bob, email: "x@y.zz" });
    expect([again.status, again.json?.code]).toEqual([409, "already_exists"]);
    const sameMail = await server.post("auth/basic/register", undefined, {
      ...bob,
      username: "bob2",
    });
    expect([sameMail.status, sameMail.json?.code]).toEqual([409, "already_exists"]);
    const lookAlike = { ...bob, username: bob.username.toUpperCase(), email: "x@y.zz" };
    const alike = await server.post("auth/basic/register", undefined, lookAlike);
    expect([alike.status, alike.json?.code]).toEqual([409, "already_exists"]);
  });

  test.each([
    ["invalid_username", { username: "admin", password: "x" }],
    ["invalid_username", { username: "a__b" }],
    ["bad_request", { name: " x" }],
    ["invalid_email", { email: "nobody" }],
    ["invalid_password", { password: "short" }],
    ["invalid_password", { password: "Abcdefgh-1" }],
  ])("checks the fields in order: %s", async (code, change) => {
    const answer = await server.post("auth/basic/register", undefined, {
      ...bob,
      username: "carol",
      ...change,
    });
    expect([answer.status, answer.json?.code]).toEqual([400, code]);
    expect(answer.text).not.toContain("Abcdefgh-1");
  });

  test("can be switched off", async () => {
    await using closed = await openTestServer({ env: { GRADIENT_ENABLE_REGISTRATION: "false" } });
    const answer = await closed.post("auth/basic/register", undefined, bob);
    expect([answer.status, answer.json?.code]).toEqual([400, "registration_disabled"]);
    expect((await closed.get("config")).message.registration_enabled).toBe(false);
  });
});

describe("login", () => {
  beforeAll(() => server.user("dora"));
  const login = (body: object) => server.post("auth/basic/login", undefined, body);

  test("answers with a token that is also a cookie", async () => {
    const answer = await login({ loginname: "dora", password: PASSWORD });
    expect(answer.headers.get("set-cookie")).toBe(
      `jwt_token=${answer.message}; HttpOnly; Secure; SameSite=Strict; Path=/`,
    );
    expect((await server.get("user", answer.message)).message.username).toBe("dora");
    const byCookie = await server.call("GET", "user", {
      headers: { cookie: `a=b; jwt_token=${answer.message}` },
    });
    expect(byCookie.message.username).toBe("dora");
  });

  test("remembers for thirty days when asked to", async () => {
    const answer = await login({ loginname: "dora", password: PASSWORD, remember_me: true });
    expect(answer.headers.get("set-cookie")).toContain("Max-Age=2592000");
  });

  test("tells no difference between an unknown user and a wrong password", async () => {
    const unknown = await login({ loginname: "nobody", password: PASSWORD });
    const wrong = await login({ loginname: "dora", password: "wrong" });
    expect([unknown.status, unknown.json?.code]).toEqual([401, "invalid_credentials"]);
    expect(wrong.json).toEqual(unknown.json);
  });

  test("keeps deactivated accounts out", async () => {
    const token = await server.user("eve");
    const { database } = server.services;
    await database.kysely
      .updateTable("users")
      .set({ active: 0 })
      .where("username", "=", "eve")
      .execute();
    expect((await login({ loginname: "eve", password: PASSWORD })).status).toBe(403);
    expect((await server.get("user", token)).status).toBe(403);
  });
});

test("logging out ends the session and clears the cookie", async () => {
  const token = await server.user("frank");
  const answer = await server.post("auth/logout", token);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("set-cookie")).toContain("jwt_token=; ");
  expect(answer.headers.get("set-cookie")).toContain("Max-Age=0");
  expect((await server.get("user", token)).status).toBe(401);
  expect((await server.post("auth/logout", token)).status).toBe(200);
  expect((await server.post("auth/logout")).status).toBe(200);
});

test("check-username always answers 200 and says it in the error flag", async () => {
  await server.user("grace");
  const check = (username: string) => server.post("auth/check-username", undefined, { username });
  expect((await check("heidi")).json?.error).toBe(false);
  for (const name of ["grace", "Grace"]) {
    const taken = await check(name);
    expect([taken.status, taken.json?.error]).toEqual([200, true]);
  }
  const invalid = await check("x");
  expect([invalid.status, invalid.json?.error]).toEqual([200, true]);
});

test("a token with another signature is refused", async () => {
  const token = await server.user("ivan");
  const [header, payload] = token.split(".");
  expect((await server.get("user", `${header}.${payload}.AAAA`)).status).toBe(401);
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
  expect((await server.get("user", `${none}.${payload}.`)).status).toBe(401);
});
