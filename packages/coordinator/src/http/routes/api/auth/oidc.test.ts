import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { registerUser } from "../../../../accounts/register-user.ts";
import { TestOidcServer } from "../../../../oidc/oidc-server.test-support.ts";
import {
  openTestServer,
  PASSWORD,
  type Answer,
  type TestServer,
} from "../../../server.test-support.ts";

let provider: TestOidcServer;
let server: TestServer;

beforeEach(async () => {
  provider = await new TestOidcServer().listen();
  server = await openTestServer({ env: provider.env() });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

const cookiesOf = (answer: Answer) => answer.headers.getSetCookie();
const cookieOf = (answer: Answer, name: string) =>
  cookiesOf(answer)
    .find((cookie) => cookie.startsWith(`${name}=`))
    ?.split(";")[0] ?? "";

/** Begins at the server, signs in at the provider and returns where the provider sends the browser, as a path below the API. */
async function visitProvider(): Promise<{ cookie: string; back: string }> {
  const begun = await server.get("auth/oidc/login");
  const answer = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
  const back = new URL(answer.headers.get("location") ?? "");
  expect(back.origin + back.pathname).toBe("http://farm.example/api/v1/auth/oidc/callback");
  return { cookie: cookieOf(begun, "oidc_csrf"), back: `auth/oidc/callback${back.search}` };
}

const comeBack = (back: string, cookie: string) =>
  server.call("GET", back, { headers: { cookie } });

async function signIn(): Promise<Answer> {
  const { cookie, back } = await visitProvider();
  return comeBack(back, cookie);
}

async function whoIs(answer: Answer) {
  const cookie = cookieOf(answer, "jwt_token");
  return (await server.call("GET", "user", { headers: { cookie } })).message;
}

const tables = () => server.services.database.kysely;

/** An account that was made for somebody who has never signed in. */
function prepare(username: string, email: string, password: string | null = null) {
  return registerUser(
    server.services.database,
    {
      username,
      name: username,
      email,
      password,
      isSuperuser: false,
      verification: null,
      actor: { userId: null, apiKeyId: null, ip: null, userAgent: null },
    },
    1,
  );
}

test("groups of the provider give roles, and take none away", async () => {
  const grants = "farm staff=acme:View,builders=acme:Write,builders=none:View";
  await using farm = await openTestServer({
    env: { ...provider.env(), GRADIENT_OIDC_GROUPS: grants },
  });
  const alice = await farm.user("alice");
  await farm.put("orgs", alice, { name: "acme", display_name: "Acme" });
  const roles = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      (await farm.get("orgs/acme/users", alice)).message.map(
        (member: { id: string; name: string }) => [member.id, member.name],
      ),
    );
  const signInWith = async (groups: string[]) => {
    provider.claims = { ...provider.claims, groups };
    const begun = await farm.get("auth/oidc/login");
    const at = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
    const back = new URL(at.headers.get("location") ?? "");
    const headers = { cookie: cookieOf(begun, "oidc_csrf") };
    const answer = await farm.call("GET", `auth/oidc/callback${back.search}`, { headers });
    expect(answer.status).toBe(302);
  };
  await signInWith(["others"]);
  expect(await roles()).toEqual({ alice: "Admin" });
  await signInWith(["farm staff", "others"]);
  expect(await roles()).toEqual({ alice: "Admin", olga: "View" });
  await signInWith(["builders"]);
  expect(await roles()).toEqual({ alice: "Admin", olga: "Write" });
  await signInWith(["farm staff"]);
  expect(await roles()).toEqual({ alice: "Admin", olga: "Write" });
  await signInWith([]);
  expect(await roles()).toEqual({ alice: "Admin", olga: "Write" });
});

describe("signing in with a provider", () => {
  test("goes there with state, nonce and a PKCE challenge", async () => {
    const begun = await server.get("auth/oidc/login");
    expect(begun.status).toBe(302);
    const url = new URL(begun.headers.get("location") ?? "");
    expect(url.href.startsWith(`${provider.server.issuer.url}/authorize?`)).toBe(true);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: "code",
      client_id: "gradient",
      redirect_uri: "http://farm.example/api/v1/auth/oidc/callback",
      scope: "openid email profile",
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
    });
    expect(cookiesOf(begun)).toEqual([
      expect.stringMatching(
        /^oidc_csrf=[\w-]+\.[\w-]+\.[\w-]+; HttpOnly; SameSite=Lax; Path=\/; Max-Age=600$/,
      ),
    ]);
  });

  test("comes back with a session and makes the account", async () => {
    const answer = await signIn();
    expect([answer.status, answer.headers.get("location")]).toEqual([
      302,
      "/account/oidc-callback",
    ]);
    expect(cookiesOf(answer)).toEqual([
      expect.stringMatching(/^jwt_token=\S+; HttpOnly; SameSite=Strict; Path=\/$/),
      "oidc_csrf=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0",
    ]);
    expect(await whoIs(answer)).toMatchObject({
      username: "olga",
      name: "Olga O.",
      email: "olga@example.com",
      superuser: false,
    });
    expect(provider.tokenRequests.at(-1)).toMatchObject({
      client_id: "gradient",
      client_secret: "client-secret",
      code_verifier: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  test("finds the same account by issuer and subject, and follows name and address", async () => {
    const before = await whoIs(await signIn());
    provider.claims = {
      sub: "subject-1",
      email: "olga@elsewhere.example",
      name: "Olga P.",
      preferred_username: "renamed",
    };
    expect(await whoIs(await signIn())).toEqual({
      ...before,
      name: "Olga P.",
      email: "olga@elsewhere.example",
    });
  });

  test("keeps the old address when the new one is another account's", async () => {
    await signIn();
    await prepare("other", "taken@example.com");
    provider.claims = { ...provider.claims, email: "taken@example.com" };
    expect((await whoIs(await signIn())).email).toBe("olga@example.com");
  });

  test("asks the userinfo endpoint for an address that is not in the id token", async () => {
    provider.claims = { sub: "subject-1", preferred_username: "olga" };
    provider.userInfo = { sub: "subject-1", email: "info@example.com" };
    expect((await whoIs(await signIn())).email).toBe("info@example.com");
  });

  test("brings names that break our rules into form", async () => {
    provider.claims = {
      ...provider.claims,
      preferred_username: "olga.o@corp.example",
      name: "<b>",
    };
    expect(await whoIs(await signIn())).toMatchObject({ username: "olga-o", name: "olga-o" });
  });

  test("claims an account that was prepared for its user", async () => {
    const id = await prepare("olga", "somewhere@example.com");
    expect(await whoIs(await signIn())).toMatchObject({ id, email: "olga@example.com" });
    provider.claims = { ...provider.claims, preferred_username: "else" };
    expect((await whoIs(await signIn())).id).toBe(id);
  });

  test("gives the token in the answer to programs that ask for it", async () => {
    const begun = await server.post("auth/oauth/authorize");
    expect(begun.status).toBe(200);
    const answer = await fetch(begun.message, { redirect: "manual" });
    const { search } = new URL(answer.headers.get("location") ?? "");
    const ended = await comeBack(`auth/oauth/authorize${search}`, cookieOf(begun, "oidc_csrf"));
    expect(cookiesOf(ended)).toEqual(["oidc_csrf=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"]);
    expect((await server.get("user", ended.message)).message.username).toBe("olga");
  });

  test("leads back to the device that waits", async () => {
    const begun = await server.get("auth/oidc/login?device=ABCD-2345");
    const answer = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
    const { search } = new URL(answer.headers.get("location") ?? "");
    const back = await comeBack(`auth/oidc/callback${search}`, cookieOf(begun, "oidc_csrf"));
    expect(back.headers.get("location")).toBe("/account/oidc-callback?device=ABCD-2345");
    expect((await server.get("auth/oidc/login?device=//evil.example")).status).toBe(400);
  });
});

describe("signing in with a provider fails with one text for everything", () => {
  const TEXT = "signing in with the provider failed; try again";
  const outcome = (answer: Answer) => [
    answer.status,
    answer.json?.code,
    answer.message,
    cookieOf(answer, "jwt_token"),
  ];
  const REFUSED = [401, "unauthorized", TEXT, ""];

  test("without the cookie", async () => {
    const { back } = await visitProvider();
    expect(outcome(await server.get(back))).toEqual(REFUSED);
  });

  test("with the cookie of another attempt", async () => {
    const { back } = await visitProvider();
    expect(outcome(await comeBack(back, (await visitProvider()).cookie))).toEqual(REFUSED);
  });

  test("with a cookie that we did not sign", async () => {
    const { back, cookie } = await visitProvider();
    expect(outcome(await comeBack(back, `${cookie.slice(0, -6)}AAAAAA`))).toEqual(REFUSED);
  });

  test("with another state, or none", async () => {
    const { back, cookie } = await visitProvider();
    expect(outcome(await comeBack(back.replace(/state=[^&]+/, "state=other"), cookie))).toEqual(
      REFUSED,
    );
    expect(outcome(await comeBack(back.replace(/&?state=[^&]+/, ""), cookie))).toEqual(REFUSED);
  });

  test("with a code that the provider does not know", async () => {
    provider.server.service.once("beforeResponse", (response) => {
      response.statusCode = 400;
      response.body = { error: "invalid_grant" };
    });
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test.each([
    ["another nonce", { nonce: "other" }],
    ["another issuer", { iss: "https://evil.example" }],
    ["another audience", { aud: "somebody-else" }],
    ["an id token that has expired", { exp: 1000 }],
    ["no subject", { sub: "" }],
  ])("with %s", async (_what, claims) => {
    provider.claims = { ...provider.claims, ...claims };
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test("with an id token that another key signed", async () => {
    await visitProvider();
    const { cookie, back } = await visitProvider();
    await provider.server.issuer.keys.generate("RS256", { kid: "foreign" });
    const json = provider.server.issuer.keys.toJSON.bind(provider.server.issuer.keys);
    provider.server.issuer.keys.toJSON = (isPrivate) =>
      json(isPrivate).filter((key) => key.kid !== "foreign");
    const get = provider.server.issuer.keys.get.bind(provider.server.issuer.keys);
    provider.server.issuer.keys.get = () => get("foreign");
    expect(outcome(await comeBack(back, cookie))).toEqual(REFUSED);
  });

  test("when the provider is down", async () => {
    await provider.server.stop();
    expect(outcome(await server.get("auth/oidc/login"))).toEqual(REFUSED);
    expect(outcome(await server.post("auth/oauth/authorize"))).toEqual(REFUSED);
  });

  test("when name or address belong to an account with a password", async () => {
    await prepare("olga", "x@example.com", PASSWORD);
    expect(outcome(await signIn())).toEqual(REFUSED);
    await tables().deleteFrom("users").execute();
    await prepare("other", "olga@example.com", PASSWORD);
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test("when the account is bound to somebody else", async () => {
    await signIn();
    provider.claims = { ...provider.claims, sub: "subject-2" };
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test("when the address, by which an account would be claimed, is not verified", async () => {
    await prepare("other", "olga@example.com");
    provider.claims = { ...provider.claims, email_verified: false };
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test("when the account is deactivated", async () => {
    await signIn();
    await tables().updateTable("users").set({ active: 0 }).execute();
    expect(outcome(await signIn())).toEqual(REFUSED);
  });

  test("when no user name can be made", async () => {
    provider.claims = { ...provider.claims, preferred_username: "admin" };
    expect(outcome(await signIn())).toEqual(REFUSED);
  });
});

test("coming back without a code is refused", async () => {
  const { cookie } = await visitProvider();
  const answer = await comeBack("auth/oidc/callback?error=access_denied&state=x", cookie);
  expect([answer.status, answer.json?.code]).toEqual([400, "invalid_oauth_code"]);
});

test("an account without a password is told to use the provider", async () => {
  await signIn();
  const body = { loginname: "olga", password: PASSWORD };
  const answer = await server.post("auth/basic/login", undefined, body);
  expect([answer.status, answer.json?.code]).toEqual([401, "oauth_required"]);
});

test("where the provider is required there are no passwords and no registration", async () => {
  await using strict = await openTestServer({
    env: { ...provider.env(), GRADIENT_OIDC_REQUIRED: "true" },
  });
  const login = { loginname: "bob", password: PASSWORD };
  const answer = await strict.post("auth/basic/login", undefined, login);
  expect([answer.status, answer.json?.code]).toEqual([401, "oauth_required"]);
  const bob = { username: "bob", name: "Bob", email: "bob@example.com", password: PASSWORD };
  const registered = await strict.post("auth/basic/register", undefined, bob);
  expect([registered.status, registered.json?.code]).toEqual([400, "registration_disabled"]);
  expect((await strict.get("config")).message).toMatchObject({
    oidc_enabled: true,
    oidc_required: true,
    registration_enabled: false,
  });
});

test.each(["GRADIENT_OIDC_ENABLED", "GRADIENT_OIDC_CLIENT_ID", "GRADIENT_OIDC_DISCOVERY_URL"])(
  "a server without %s has no provider",
  async (variable) => {
    const env = { ...provider.env(), GRADIENT_OIDC_REQUIRED: "true", [variable]: "" };
    await using plain = await openTestServer({ env });
    for (const path of ["auth/oidc/login", "auth/oidc/callback?code=a", "auth/oauth/authorize"]) {
      const answer = await plain.get(path);
      expect([answer.status, answer.json?.code]).toEqual([400, "oauth_disabled"]);
    }
    expect((await plain.get("config")).message).toMatchObject({
      oidc_enabled: false,
      oidc_required: false,
      registration_enabled: true,
    });
  },
);
