import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestServer, type TestServer } from "./server.test-support.ts";

let server: TestServer;
let token: string;

beforeAll(async () => {
  server = await openTestServer();
  token = await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());

describe("every refusal has the envelope", () => {
  test("a route that does not exist", async () => {
    const answer = await server.get("nothing/here", token);
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual({
      error: true,
      code: "not_found",
      message: "there is no GET /api/v1/nothing/here",
    });
    expect((await server.get("/elsewhere")).json?.code).toBe("not_found");
  });

  test("a wrong method names the right ones", async () => {
    const answer = await server.delete("health");
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
    expect(answer.json?.code).toBe("method_not_allowed");
    expect((await server.put("evals/x/builds")).headers.get("allow")).toBe("GET, HEAD, POST");
  });

  test("JSON that is none", async () => {
    const answer = await server.post("auth/basic/login", undefined, "{");
    expect(answer.status).toBe(400);
    expect(answer.json?.code).toBe("json_parsing");
  });

  test("text that is no text: broken UTF-8, NUL, half of a surrogate pair", async () => {
    const made = (description: string) =>
      server.put("orgs", token, `{"name":"odd","display_name":"x","description":"${description}"}`);
    for (const escape of ["a\\u0000b", "\\ud800", "\\udc00\\ud800"]) {
      const answer = await made(escape);
      expect([answer.status, answer.json?.code]).toEqual([400, "json_parsing"]);
    }
    const broken = await fetch(`${server.url}/api/v1/orgs`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: Buffer.from('{"name":"odd","display_name":"\xff"}', "latin1"),
    });
    expect([broken.status, await broken.json()]).toMatchObject([400, { code: "json_parsing" }]);
    expect((await made("\\ud83d\\ude00 \\\\u0000")).status).toBe(200);
    expect((await server.get("orgs/odd", token)).message.description).toBe("😀 \\u0000");
  });

  test("a field of the wrong type is named", async () => {
    const answer = await server.put("orgs", token, { name: 1, display_name: "x" });
    expect(answer.status).toBe(422);
    expect(answer.json?.code).toBe("unprocessable_entity");
    expect(answer.message).toContain('field "name"');
  });

  test("a body that is missing", async () => {
    const answer = await server.put("orgs", token);
    expect(answer.status).toBe(422);
    expect(answer.json?.error).toBe(true);
  });

  test("another content type", async () => {
    const answer = await server.call("POST", "auth/basic/login", {
      body: "loginname=x",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(answer.status).toBe(415);
    expect(answer.json?.code).toBe("unsupported_media_type");
  });

  test("an id that is no UUID", async () => {
    const answer = await server.get("evals/abc", token);
    expect(answer.status).toBe(400);
    expect(answer.json?.code).toBe("bad_request");
    expect(answer.message).toContain('path parameter "id"');
  });

  test("a query that makes no sense", async () => {
    const answer = await server.get("orgs?page=x", token);
    expect(answer.status).toBe(400);
    expect(answer.message).toContain('query parameter "page"');
  });

  test("a body that is too large", async () => {
    const answer = await server.post("auth/basic/login", undefined, {
      loginname: "x".repeat(3_000_000),
      password: "",
    });
    expect(answer.status).toBe(413);
    expect(answer.json?.code).toBe("payload_too_large");
  });

  test("a path that cannot be decoded", async () => {
    const answer = await server.get("/api/v1/orgs/%E0%A4%A", token);
    expect(answer.status).toBe(400);
    expect(answer.json?.error).toBe(true);
    expect(answer.headers.get("x-request-id")).toBeTruthy();
  });

  test("credentials that are missing or dead", async () => {
    const missing = await server.get("user");
    expect([missing.status, missing.json?.code]).toEqual([401, "unauthorized"]);
    const dead = await server.get("user", "GRADnonsense");
    expect([dead.status, dead.json?.code]).toEqual([401, "unauthorized"]);
    const basic = await server.call("GET", "user", { headers: { authorization: "Basic eA==" } });
    expect([basic.status, basic.json?.code]).toEqual([401, "unauthorized"]);
  });
});

test("what a message quotes of a request is cut when it is long", async () => {
  const long = "x".repeat(5000);
  for (const answer of [
    await server.get(`/api/v1/${long}`, token),
    await server.get(`orgs?page=${long}`, token),
    await server.put("orgs", token, { name: long, display_name: "x" }),
    await server.post("evals/019a0000-0000-7000-8000-000000000001", token, { method: long }),
  ]) {
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.message.length).toBeLessThan(1000);
  }
});

test("an id in upper case is the same id", async () => {
  const id = "019a0000-0000-7000-8000-00000000000a";
  await server.put("orgs", token, { name: "upper", display_name: "Upper" });
  const organization = (await server.get("orgs/upper", token)).message.id;
  const row = {
    id,
    organization_id: organization,
    repository: "https://example.com/r",
    wildcard: "*",
  };
  await server.services.database.kysely
    .insertInto("evaluations")
    .values({ ...row, state: "Queued", created_at: 1, updated_at: 1 })
    .execute();
  const answer = await server.get(`evals/${id.toUpperCase()}`, token);
  expect([answer.status, answer.message.id]).toEqual([200, id]);
});

test("a slash at the end is another path, and nothing is redirected", async () => {
  expect((await server.get("health/")).status).toBe(404);
  expect((await server.get("orgs/", token)).status).toBe(404);
});

test("HEAD has the head of GET and no body", async () => {
  const answer = await server.call("HEAD", "health");
  expect([answer.status, answer.text]).toEqual([200, ""]);
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
});

describe("pages of another origin", () => {
  const asked = (origin: string, headers: Record<string, string> = {}) =>
    server.call("OPTIONS", "orgs", { headers: { origin, ...headers } });
  const preflight = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization",
  };

  test("may call when it is the server's own", async () => {
    const answer = await asked("https://farm.example:8443", preflight);
    expect([answer.status, answer.text]).toEqual([204, ""]);
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://farm.example:8443");
    expect(answer.headers.get("access-control-allow-credentials")).toBe("true");
    expect(answer.headers.get("access-control-allow-methods")).toContain("PUT");
    expect(answer.headers.get("access-control-allow-headers")).toBe(
      "Authorization, Accept, Content-Type",
    );
    const refused = await server.call("GET", "user", {
      headers: { origin: "https://farm.example:8443" },
    });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("access-control-allow-origin")).toBe("https://farm.example:8443");
  });

  test("may call when the operator named it", async () => {
    const env = { GRADIENT_FRONTEND_URL: "https://pages.example/app/" };
    await using named = await openTestServer({ env });
    const allowed = async (origin: string) =>
      (await named.call("GET", "health", { headers: { origin } })).headers.get(
        "access-control-allow-origin",
      );
    expect(await allowed("https://pages.example")).toBe("https://pages.example");
    expect(await allowed("https://farm.example:8443")).toBe("https://farm.example:8443");
    expect(await allowed("https://evil.example")).toBeNull();
  });

  test("may not when it is not", async () => {
    const answer = await asked("https://evil.example", preflight);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("vary")).toBe("Origin");
  });

  test("OPTIONS alone says what a path takes", async () => {
    const answer = await server.call("OPTIONS", "orgs");
    expect([answer.status, answer.headers.get("allow")]).toEqual([204, "GET, HEAD, PUT, OPTIONS"]);
    expect((await server.call("OPTIONS", "nothing")).status).toBe(404);
  });
});

describe("a session's cookie", () => {
  const asked = (origin: string | null) =>
    server.call("POST", "orgs/mine/ssh", {
      headers: { cookie: `jwt_token=${token}`, ...(origin === null ? {} : { origin }) },
    });

  beforeAll(() => server.put("orgs", token, { name: "mine", display_name: "Mine" }));

  test.each(["https://evil.example", "http://127.0.0.1:1", "null"])(
    "is not for pages of %s",
    async (origin) => {
      const answer = await asked(origin);
      expect([answer.status, answer.json?.code]).toEqual([401, "unauthorized"]);
    },
  );

  test("is for this server's pages, by its name and by its address, and for no page at all", async () => {
    for (const origin of ["https://farm.example:8443", server.url, null]) {
      expect((await asked(origin)).status).toBe(200);
    }
  });
});

test("credentials are checked before the body", async () => {
  expect((await server.put("orgs", undefined, { name: 1 })).status).toBe(401);
});

test("a request's id is echoed when it is fit, else made", async () => {
  const given = await server.call("GET", "health", { headers: { "x-request-id": "abc-1" } });
  expect(given.headers.get("x-request-id")).toBe("abc-1");
  const made = await server.call("GET", "health", {
    headers: { "x-request-id": "a b".repeat(99) },
  });
  expect(made.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  const unknown = await server.get("/nothing");
  expect(unknown.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});

test("a failure of ours hides its cause", async () => {
  const { evaluations } = server.services;
  const original = evaluations.abort;
  await server.put("orgs", token, { name: "breaks", display_name: "Breaks" });
  evaluations.abort = () => Promise.reject(new Error("the cause"));
  const { services } = server;
  const org = await server.get("orgs/breaks", token);
  const id = "019a0000-0000-7000-8000-00000000000f";
  await services.database.kysely
    .insertInto("evaluations")
    .values({
      id,
      organization_id: org.message.id,
      repository: "https://example.com/r",
      wildcard: "*",
      state: "Queued",
      created_at: 1,
      updated_at: 1,
    })
    .execute();
  const answer = await server.post(`evals/${id}`, token, { method: "abort" });
  evaluations.abort = original;
  expect(answer.status).toBe(500);
  expect(answer.json?.code).toBe("internal");
  expect(answer.text).not.toContain("the cause");
});

test("health and config need no credentials", async () => {
  expect((await server.get("health")).message).toBe("200 ALIVE");
  expect((await server.get("config")).message).toEqual({
    version: "1.2.3",
    oidc_enabled: false,
    oidc_required: false,
    registration_enabled: true,
    email_verification_enabled: false,
    smtp_enabled: false,
    quic: false,
    create_org: "everyone",
    create_cache: "everyone",
  });
});
