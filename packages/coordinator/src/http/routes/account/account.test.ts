import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../../manual-clock.test-support.ts";
import { TestOidcServer } from "../../../oidc/oidc-server.test-support.ts";
import {
  openTestServer,
  PASSWORD,
  type Answer,
  type TestServer,
} from "../../server.test-support.ts";

let server: TestServer;
let clock: ManualClock;
let browser: Browser;

beforeAll(async () => {
  clock = new ManualClock();
  server = await openTestServer({ clock });
  await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  browser = new Browser(server);
});

/** Keeps cookies and sends forms, as a browser without scripts does. */
class Browser {
  readonly cookies = new Map<string, string>();
  readonly #server: TestServer;

  constructor(testServer: TestServer) {
    this.#server = testServer;
  }

  async open(path: string): Promise<Answer> {
    return this.#keep(await this.#server.call("GET", path, { headers: this.#headers() }));
  }

  /** Sends a form with the page's hidden fields, unless others are given. */
  async send(path: string, page: Answer, fields: Record<string, string>): Promise<Answer> {
    const body = new URLSearchParams({ ...hiddenFields(page), ...fields }).toString();
    const headers = {
      ...this.#headers(),
      "content-type": "application/x-www-form-urlencoded",
    };
    return this.#keep(await this.#server.call("POST", path, { headers, body }));
  }

  /** Signs in on the page and follows to where it leads. */
  async signIn(page: Answer, loginname = "alice", password = PASSWORD): Promise<Answer> {
    const answer = await this.send("/account/sign-in", page, { loginname, password });
    const next = answer.headers.get("location");
    return answer.status === 303 && next !== null ? this.open(next) : answer;
  }

  #headers(): Record<string, string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return cookie === "" ? {} : { cookie };
  }

  #keep(answer: Answer): Answer {
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";");
      const at = pair.indexOf("=");
      this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }
}

function hiddenFields(page: Answer): Record<string, string> {
  const fields = page.text.matchAll(/<input\s+type="hidden"\s+name="(\w+)"\s+value="([^"]*)"/g);
  return Object.fromEntries([...fields].map(([, name, value]) => [name, value]));
}

const start = async () => {
  const headers = { "user-agent": "<script>cli</script>", "x-forwarded-for": "192.0.2.9" };
  return (await server.call("POST", "auth/cli/start", { headers })).message;
};
const poll = (code: string) => server.post("auth/cli/poll", undefined, { device_code: code });
const pageOf = (code: string) => browser.open(`/account/cli-authorize?code=${code}`);

describe("the page of a device login", () => {
  test("asks who is there, shows who asks, and lets the program in", async () => {
    const { device_code: code, user_code: userCode } = await start();
    const asking = await pageOf(userCode);
    expect([asking.status, asking.text]).toEqual([200, expect.stringContaining("Sign in")]);
    expect(asking.text).not.toContain("192.0.2.9");
    const page = await browser.signIn(asking);
    for (const shown of [userCode, "192.0.2.9", "&lt;script&gt;cli&lt;/script&gt;", "alice"]) {
      expect(page.text).toContain(shown);
    }
    const done = await browser.send("/account/cli-authorize", page, { decision: "authorized" });
    expect([done.status, done.text]).toEqual([200, expect.stringContaining("is signed in")]);
    const token = (await poll(code)).message;
    expect((await server.get("user", token)).message.username).toBe("alice");
  });

  test("keeps a program out", async () => {
    const { device_code: code, user_code: userCode } = await start();
    const page = await browser.signIn(await pageOf(userCode));
    const done = await browser.send("/account/cli-authorize", page, { decision: "denied" });
    expect(done.text).toContain("was kept out");
    expect((await poll(code)).json?.code).toBe("cli_auth_denied");
  });

  test("loads this server's own files alone, and is framed by nobody", async () => {
    const { headers, text } = await browser.open("/account/cli-authorize");
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(text).not.toMatch(/<style|\sstyle=/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(/^form_token=[\w-]{43}; HttpOnly; Secure; SameSite=Strict; Path=\/$/),
    ]);
  });

  test("asks for the code when the address has none", async () => {
    const page = await browser.signIn(await browser.open("/account/cli-authorize"));
    expect([page.status, page.text]).toEqual([200, expect.stringContaining("Type the code")]);
    const { user_code: userCode } = await start();
    const typed = userCode.toLowerCase().replace("-", " ");
    expect((await pageOf(encodeURIComponent(typed))).text).toContain(userCode);
  });

  test.each(["AAAA-AAAA", "%3Cscript%3E"])("tells that no program waits under %s", async (code) => {
    await browser.signIn(await browser.open("/account/cli-authorize"));
    const page = await pageOf(code);
    expect([page.status, page.text]).toEqual([404, expect.stringContaining("no login waits")]);
    expect(page.text).toContain("Type the code");
  });

  test("tells that a code has expired", async () => {
    const { user_code: userCode } = await start();
    await browser.signIn(await browser.open("/account/cli-authorize"));
    await clock.advance(600_000);
    const page = await pageOf(userCode);
    expect([page.status, page.text]).toEqual([400, expect.stringContaining("has expired")]);
  });

  test("does not count an API key as somebody who is there", async () => {
    const alice = (
      await server.post("auth/basic/login", undefined, {
        loginname: "alice",
        password: PASSWORD,
      })
    ).message;
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    const { user_code: userCode } = await start();
    const page = await server.get(`/account/cli-authorize?code=${userCode}`, key);
    expect(page.text).toContain("Sign in");
  });
});

describe("somebody who looks at pages", () => {
  const next = "/search?query=hello";

  test("signs in, comes back to the page, and signs out again", async () => {
    const asking = await browser.open(`/account/sign-in?next=${encodeURIComponent(next)}`);
    expect(asking.text).not.toContain("A program wants");
    const credentials = { loginname: "alice", password: PASSWORD };
    const done = await browser.send("/account/sign-in", asking, credentials);
    expect([done.status, done.headers.get("location")]).toEqual([303, next]);
    const leaving = await browser.open("/account/sign-out");
    expect(leaving.text).toContain("You are signed in as alice");
    const gone = await browser.send("/account/sign-out", leaving, {});
    expect([gone.status, gone.headers.get("location")]).toEqual([303, "/"]);
    expect((await browser.open("/account/sign-out")).text).toContain("You are not signed in");
  });

  test("is asked again after a wrong password, and still comes back", async () => {
    const asking = await browser.open(`/account/sign-in?next=${encodeURIComponent(next)}`);
    const wrong = { loginname: "alice", password: "wrong" };
    const again = await browser.send("/account/sign-in", asking, wrong);
    expect([again.status, hiddenFields(again)["next"]]).toEqual([401, next]);
  });

  test.each([
    "//evil.example",
    "https://evil.example",
    "/\\\\evil.example",
    "/\t/evil.example",
    "x",
  ])("is never sent to %s", async (aim) => {
    const page = await browser.open(`/account/sign-in?next=${encodeURIComponent(aim)}`);
    expect(hiddenFields(page)["next"]).toBe("/");
  });

  test("does not sign out by a form of another site", async () => {
    await browser.signIn(await browser.open("/account/cli-authorize"));
    const leaving = await browser.open("/account/sign-out");
    const forged = { form_token: "x".repeat(43) };
    expect((await browser.send("/account/sign-out", leaving, forged)).status).toBe(403);
    expect((await browser.open("/account/sign-out")).text).toContain("signed in as alice");
  });
});

describe("forms", () => {
  test("that did not come from a page of ours are refused", async () => {
    const { device_code: code, user_code: userCode } = await start();
    const asking = await pageOf(userCode);
    const forged = { form_token: "x".repeat(43) };
    const credentials = { loginname: "alice", password: PASSWORD };
    const signIn = await browser.send("/account/sign-in", asking, { ...credentials, ...forged });
    expect([signIn.status, browser.cookies.has("jwt_token")]).toEqual([403, false]);
    const page = await browser.signIn(asking);
    const decision = { decision: "authorized" };
    const path = "/account/cli-authorize";
    expect((await browser.send(path, page, { ...decision, ...forged })).status).toBe(403);
    browser.cookies.delete("form_token");
    const refused = await browser.send(path, page, decision);
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("open the page")]);
    expect((await poll(code)).json?.code).toBe("cli_auth_pending");
  });

  test("of somebody who is not signed in any more ask again", async () => {
    const { device_code: code, user_code: userCode } = await start();
    const page = await browser.signIn(await pageOf(userCode));
    browser.cookies.delete("jwt_token");
    const decision = { decision: "authorized" };
    const again = await browser.send("/account/cli-authorize", page, decision);
    expect(again.text).toContain("Sign in");
    expect((await poll(code)).json?.code).toBe("cli_auth_pending");
  });

  test("with a wrong password show the fault and keep the code", async () => {
    const { user_code: userCode } = await start();
    const page = await browser.signIn(await pageOf(userCode), "alice", "wrong");
    expect([page.status, page.text]).toEqual([401, expect.stringContaining("is wrong")]);
    expect(page.text).not.toContain('"wrong"');
    expect((await browser.signIn(page)).text).toContain(userCode);
  });

  test("that lack a field, or are JSON, are refused with a page", async () => {
    const page = await browser.open("/account/cli-authorize");
    const incomplete = await browser.send("/account/cli-authorize", page, {});
    expect([incomplete.status, incomplete.text]).toEqual([
      422,
      expect.stringContaining("That did not work"),
    ]);
    const json = await server.post("/account/sign-in", undefined, { loginname: "alice" });
    expect(json.status).toBe(415);
  });
});

test("who tries passwords too often is told when to come again, on a page", async () => {
  await using limited = await openTestServer({ env: { GRADIENT_RATE_LIMITS: "true" } });
  const visitor = new Browser(limited);
  const page = await visitor.open("/account/cli-authorize");
  const attempt = () => visitor.signIn(page, "alice", "wrong");
  for (const _ of [1, 2, 3, 4, 5]) expect((await attempt()).status).toBe(401);
  const refused = await attempt();
  expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("did not work")]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("signing in with a provider ends on a page, and leads on to the program that waits", async () => {
  await using provider = await new TestOidcServer().listen();
  const env = { ...provider.env(), GRADIENT_OIDC_REQUIRED: "true" };
  await using strict = await openTestServer({ env });
  const visitor = new Browser(strict);
  const { user_code: userCode } = (await strict.post("auth/cli/start")).message;
  const asking = await visitor.open(`/account/cli-authorize?code=${userCode}`);
  expect(asking.text).not.toContain('name="password"');
  const link = /href="(\/api\/v1\/auth\/oidc\/login\?device=[^"]+)"/.exec(asking.text)?.[1] ?? "";
  const begun = await visitor.open(link);
  const there = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
  const back = new URL(there.headers.get("location") ?? "");
  const returned = await visitor.open(back.pathname + back.search);
  const signedIn = await visitor.open(returned.headers.get("location") ?? "");
  expect([signedIn.status, signedIn.text]).toEqual([
    200,
    expect.stringContaining("You are signed in"),
  ]);
  const next = /href="(\/account\/cli-[^"]+)"/.exec(signedIn.text)?.[1] ?? "";
  expect((await visitor.open(next)).text).toContain("olga");
});
