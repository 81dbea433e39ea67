import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ManualClock } from "../../manual-clock.test-support.ts";
import { openTestServer, type TestServer } from "../server.test-support.ts";
import { tierOf, tiers } from "./tiers.ts";

let server: TestServer;
const clock = new ManualClock();

beforeAll(async () => {
  server = await openTestServer({ clock, env: { GRADIENT_RATE_LIMITS: "true" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const from = (address: string, method: string, path: string) =>
  server.call(method, path, { headers: { "x-forwarded-for": address } });

async function statuses(times: number, ask: () => Promise<{ status: number }>): Promise<number[]> {
  const found: number[] = [];
  for (let time = 0; time < times; time += 1) found.push((await ask()).status);
  return found;
}

test.each([
  ["/api/v1/auth/basic/login", "auth"],
  ["/api/v1/auth/oidc/callback", "auth"],
  ["/api/v1/auth/cli/start", "auth"],
  ["/account/sign-in", "auth"],
  ["/account/cli-authorize", "default"],
  ["/api/v1/auth/cli/poll", "cliPoll"],
  ["/api/v1/auth/cli/info", "default"],
  ["/api/v1/auth/logout", "default"],
  ["/api/v1/hooks/github", "webhook"],
  ["/api/v1/orgs", "default"],
  ["/proto", "default"],
  ["/proto/nar/x", null],
  ["/cache/main/nix-cache-info", "cache"],
  ["/cache/main/nar/x.nar.zst", "cache"],
  ["/cache/main/ls/x", "cacheInspect"],
  ["/cache/main/serve/x/bin/y", "cacheInspect"],
  ["/cache/main/log/x.drv", "cacheLog"],
  ["/metrics", "metrics"],
  ["/build/x.drv", "cuirassLookup"],
  ["/output/x", "cuirassLookup"],
  ["/build/1/details", "default"],
  ["/build/1/log/raw", "cacheLog"],
  ["/log/x", "cacheLog"],
  ["/jobset/x/hook/evaluate", "webhook"],
  ["/api/dashboard/register", "cuirassDashboard"],
  ["/api/latestbuilds", "default"],
])("%s has the rates of %s", (path, tier) => {
  expect(tierOf(path)).toBe(tier);
});

test("the inspection surface has 60 requests a minute, logs 300", () => {
  expect(60_000 / tiers.cacheInspect.refillMs).toBe(60);
  expect(60_000 / tiers.cacheLog.refillMs).toBe(300);
});

test("who comes too often is told when to come again, in the envelope", async () => {
  const logIn = () => from("192.0.2.1", "POST", "auth/basic/login");
  expect(await statuses(5, logIn)).toEqual([422, 422, 422, 422, 422]);
  await clock.advance(1500);
  const refused = await logIn();
  expect([refused.status, refused.json?.code]).toEqual([429, "rate_limited"]);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(refused.headers.get("x-request-id")).toBeTruthy();
  await clock.advance(4500);
  expect((await logIn()).status).toBe(422);
});

test("each client and each tier has its own", async () => {
  await statuses(6, () => from("192.0.2.2", "POST", "auth/basic/login"));
  expect((await from("192.0.2.2", "POST", "auth/basic/login")).status).toBe(429);
  expect((await from("192.0.2.3", "POST", "auth/basic/login")).status).toBe(422);
  expect((await from("192.0.2.2", "GET", "health")).status).toBe(200);
});

test("a client is what a trusted proxy says, and of IPv6 the network", async () => {
  const logIn = (address: string) => from(address, "POST", "auth/basic/login");
  // Only the last hop was written by the proxy; the others say what the client likes.
  await statuses(5, () => logIn("203.0.113.9, 192.0.2.4"));
  expect((await logIn("198.51.100.7, 192.0.2.4")).status).toBe(429);
  await statuses(5, () => logIn("2001:db8:0:1::1"));
  expect((await logIn("2001:db8:0:1:ffff::2")).status).toBe(429);
  expect((await logIn("2001:db8:0:2::1")).status).toBe(422);
});

test("paths that do not exist count, too", async () => {
  const found = await statuses(151, () => from("192.0.2.5", "GET", "/nothing"));
  expect([found[149], found[150]]).toEqual([404, 429]);
});

test("narinfos are counted where they are answered, before the router", async () => {
  const alice = await server.user("alice");
  await server.put("caches", alice, {
    name: "open",
    display_name: "Open",
    priority: 1,
    public: true,
  });
  const path = `/cache/open/${"0".repeat(32)}.narinfo`;
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.6\r\n`;
  socket.write(`${`${head}\r\n`.repeat(3000)}${head}Connection: close\r\n\r\n`);
  const answers = await text(socket);
  const found = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  expect([found.length, found[2999], found[3000]]).toEqual([3001, "404", "429"]);
  const refused = await from("192.0.2.6", "GET", path);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(refused.json?.code).toBe("rate_limited");
});

test("a deployment can switch all of it off", async () => {
  await using open = await openTestServer({ clock, env: { GRADIENT_RATE_LIMITS: "false" } });
  const found = await statuses(20, () => open.post("auth/basic/login"));
  expect(new Set(found)).toEqual(new Set([422]));
});
