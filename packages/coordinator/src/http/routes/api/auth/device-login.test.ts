import { afterAll, beforeAll, expect, test } from "vitest";
import { ManualClock } from "../../../../manual-clock.test-support.ts";
import { openTestServer, type TestServer } from "../../../server.test-support.ts";

const MINUTE_MS = 60_000;

let server: TestServer;
let clock: ManualClock;
let alice: string;

beforeAll(async () => {
  clock = new ManualClock();
  server = await openTestServer({ clock });
  alice = await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());

const start = async () => {
  const headers = { "user-agent": "gradient-cli/1.3.0", "x-forwarded-for": "192.0.2.9" };
  return (await server.call("POST", "auth/cli/start", { headers })).message;
};
const poll = async (code: string) => {
  const answer = await server.post("auth/cli/poll", undefined, { device_code: code });
  return { ...answer, outcome: [answer.status, answer.json?.code] };
};
const decide = async (verb: "authorize" | "deny", code: string, token = alice) => {
  const answer = await server.post(`auth/cli/${verb}`, token, { user_code: code });
  return { ...answer, outcome: [answer.status, answer.json?.code] };
};

test("a program gets the token of a session of 30 days once it was authorized, and only once", async () => {
  const started = await start();
  expect(started).toEqual({
    device_code: expect.stringMatching(/^[A-Za-z0-9]{64}$/),
    user_code: expect.stringMatching(/^[A-HJKMNP-Z2-9]{4}-[A-HJKMNP-Z2-9]{4}$/),
    verification_uri: "https://farm.example:8443/account/cli-authorize",
    verification_uri_complete: `https://farm.example:8443/account/cli-authorize?code=${started.user_code}`,
    expires_in: 600,
    interval: 3,
  });
  expect((await poll(started.device_code)).outcome).toEqual([400, "cli_auth_pending"]);
  const info = await server.get(`auth/cli/info?user_code=${started.user_code}`, alice);
  expect(info.message).toEqual({
    user_code: started.user_code,
    expires_at: new Date(clock.now() + 10 * MINUTE_MS).toISOString(),
    user_agent: "gradient-cli/1.3.0",
    ip: "192.0.2.9",
  });
  expect((await decide("authorize", started.user_code)).status).toBe(200);
  const token = (await poll(started.device_code)).message;
  expect((await server.get("user", token)).message.username).toBe("alice");
  const payload = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  expect(payload.exp - payload.iat).toBe(30 * 86_400);
  expect((await poll(started.device_code)).outcome).toEqual([404, "not_found"]);
});

test("two polls at once get one token", async () => {
  const { device_code: code, user_code: userCode } = await start();
  await decide("authorize", userCode);
  const answers = await Promise.all([poll(code), poll(code), poll(code)]);
  expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([200, 404, 404]);
});

test("a program that was denied is told so", async () => {
  const { device_code: code, user_code: userCode } = await start();
  expect((await decide("deny", userCode)).status).toBe(200);
  expect((await poll(code)).outcome).toEqual([400, "cli_auth_denied"]);
  expect((await decide("authorize", userCode)).outcome).toEqual([400, "bad_request"]);
});

test("a code may be typed in lower case and without its dash", async () => {
  const { user_code: userCode } = await start();
  const typed = userCode.toLowerCase().replace("-", "");
  expect((await decide("authorize", typed)).status).toBe(200);
});

test("codes work for ten minutes", async () => {
  const { device_code: code, user_code: userCode } = await start();
  const authorized = await start();
  await decide("authorize", authorized.user_code);
  await clock.advance(10 * MINUTE_MS);
  expect((await poll(code)).outcome).toEqual([400, "cli_auth_expired"]);
  expect((await poll(authorized.device_code)).outcome).toEqual([400, "cli_auth_expired"]);
  expect((await decide("authorize", userCode)).outcome).toEqual([400, "cli_auth_expired"]);
  expect((await server.get(`auth/cli/info?user_code=${userCode}`, alice)).json?.code).toBe(
    "cli_auth_expired",
  );
  await clock.advance(61 * MINUTE_MS);
  await start();
  expect((await poll(code)).outcome).toEqual([404, "not_found"]);
});

test("codes that nobody was given are not known", async () => {
  expect((await poll("x")).outcome).toEqual([404, "not_found"]);
  expect((await decide("authorize", "AAAA-AAAA")).outcome).toEqual([404, "not_found"]);
  expect((await decide("deny", "AAAA-AAAA")).outcome).toEqual([404, "not_found"]);
  const info = await server.get("auth/cli/info?user_code=AAAA-AAAA", alice);
  expect(info.status).toBe(404);
  expect((await server.get("auth/cli/info", alice)).status).toBe(400);
});

test("only a session may decide", async () => {
  const { device_code: code, user_code: userCode } = await start();
  const key = await server.key(alice, { permissions: ["viewOrg"] });
  for (const verb of ["authorize", "deny"] as const) {
    expect((await decide(verb, userCode, key)).outcome).toEqual([403, "forbidden"]);
    const anonymous = await server.post(`auth/cli/${verb}`, undefined, { user_code: userCode });
    expect(anonymous.status).toBe(401);
  }
  expect((await server.get(`auth/cli/info?user_code=${userCode}`)).status).toBe(401);
  expect((await poll(code)).outcome).toEqual([400, "cli_auth_pending"]);
});

test("a program of somebody who was deactivated meanwhile is kept out", async () => {
  const mallory = await server.user("mallory");
  const { device_code: code, user_code: userCode } = await start();
  await decide("authorize", userCode, mallory);
  const { kysely } = server.services.database;
  await kysely.updateTable("users").set({ active: 0 }).where("username", "=", "mallory").execute();
  expect((await poll(code)).outcome).toEqual([400, "cli_auth_denied"]);
});

test("who let which program in stands in the audit trail", async () => {
  const carol = await server.user("carol");
  const { user_code: userCode } = await start();
  await decide("authorize", userCode, carol);
  const { items } = (await server.get("user/audit-log", carol)).message;
  expect(items[0]).toMatchObject({
    event: "cli.device.authorize",
    details: { ip: "192.0.2.9", user_agent: "gradient-cli/1.3.0" },
  });
});
