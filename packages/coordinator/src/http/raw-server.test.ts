import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createLogger } from "../logger.ts";
import { openTestServer, type TestServer } from "./server.test-support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Sends lines as they are and reads until the server closes. */
async function exchange(
  ...lines: string[]
): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const answer = await text(socket);
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), head: head.toLowerCase(), body };
}

const code = (answer: { body: string }) => (JSON.parse(answer.body) as { code: string }).code;
const HOST = "Host: x";
const CLOSE = "Connection: close";

test("HTTP/1.1 without Host is refused in the envelope, HTTP/1.0 needs none", async () => {
  const answer = await exchange("GET /api/v1/health HTTP/1.1", CLOSE);
  expect([answer.status, code(answer)]).toEqual([400, "bad_request"]);
  expect(answer.head).toContain("x-request-id: ");
  expect((await exchange("GET /api/v1/health HTTP/1.0")).status).toBe(200);
});

test("a client that goes away within its body is no failure of ours", async () => {
  const directory = await mkdtemp(join(tmpdir(), "gradient-log-"));
  const file = await open(join(directory, "log"), "w");
  const logged = () => readFile(join(directory, "log"), "utf8");
  try {
    await using noted = await openTestServer({ logger: createLogger("debug", file.fd) });
    const { hostname, port } = new URL(noted.url);
    const socket = connect(Number(port), hostname);
    const head = ["POST /api/v1/auth/basic/login HTTP/1.1", HOST, "Content-Length: 100"];
    socket.write(`${[...head, "Content-Type: application/json"].join("\r\n")}\r\n\r\n{`);
    socket.end();
    await vi.waitFor(async () => expect(await logged()).toContain("a client went away"));
    expect(await logged()).not.toContain('"level":50');
  } finally {
    await file.close();
    await rm(directory, { recursive: true });
  }
});

test("what is left unread of a refused body does not wait for the next request", async () => {
  const alice = await server.user("alice");
  await server.put("caches", alice, { name: "open", display_name: "open" });
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const path = `/cache/open/nar/${"0".repeat(52)}.nar.zst`;
  const head = [`PUT ${path} HTTP/1.1`, HOST, `Authorization: Bearer ${alice}`];
  socket.write(`${[...head, "Content-Length: 90000000"].join("\r\n")}\r\n\r\n`);
  socket.write(Buffer.alloc(1_000_000, "no NAR"));
  // All that the server sends until it closes.
  expect(await text(socket)).toContain("422 Unprocessable Entity");
});

test("an expectation that is not met is refused in the envelope", async () => {
  const answer = await exchange("POST /api/v1/health HTTP/1.1", HOST, "Expect: something");
  expect([answer.status, code(answer)]).toEqual([417, "expectation_failed"]);
});

const WORKER = ["GET /proto HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket"];
const OTHER = [HOST, "Connection: Upgrade", "Upgrade: y"];
const KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
const VERSION = "Sec-WebSocket-Version: 13";

test.each([
  ["no HTTP at all", ["nonsense"], 400],
  ["a method that HTTP does not have", ["FETCH / HTTP/1.1", HOST], 400],
  ["headers that are too large", ["GET / HTTP/1.1", HOST, `X-Long: ${"x".repeat(20_000)}`], 431],
  [
    "an upgrade to what nothing speaks",
    ["GET /x HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: y"],
    404,
  ],
  ["a worker's handshake without a key", [...WORKER, VERSION], 400],
  ["a worker's handshake of another version", [...WORKER, KEY], 400],
  ["a worker's handshake for something else", ["GET /proto HTTP/1.1", ...OTHER], 400],
  ["a worker's handshake that is no GET", ["POST /proto HTTP/1.1", ...OTHER], 400],
])("%s is refused in the envelope", async (_what, lines, status) => {
  const answer = await exchange(...lines);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject({ error: true, message: expect.any(String) });
  expect(answer.head).toContain("x-request-id: ");
});

const FRAMED = ["POST /cache/main/narinfos HTTP/1.1", HOST];

test.each([
  ["two lengths", [...FRAMED, "Content-Length: 2", "Content-Length: 60"]],
  ["two equal lengths", [...FRAMED, "Content-Length: 2", "Content-Length: 2"]],
  ["a list of lengths", [...FRAMED, "Content-Length: 2, 2"]],
  ["a negative length", [...FRAMED, "Content-Length: -2"]],
  ["a length of a body in chunks", [...FRAMED, "Content-Length: 4", "Transfer-Encoding: chunked"]],
  ["chunks that are not the last coding", [...FRAMED, "Transfer-Encoding: chunked, identity"]],
  ["a coding that is nearly chunks", [...FRAMED, "Transfer-Encoding: xchunked"]],
  ["a space behind a header's name", [...FRAMED, "Transfer-Encoding : chunked"]],
  ["a header that goes on in the next line", [...FRAMED, "Transfer-Encoding:", " chunked"]],
  ["chunks before HTTP/1.1", ["POST /x HTTP/1.0", "Transfer-Encoding: chunked"]],
  ["a line that ends otherwise", ["GET /api/v1/health HTTP/1.1\nHost: x"]],
  ["two hosts", ["GET /api/v1/health HTTP/1.1", HOST, "Host: y"]],
  ["no version of HTTP", ["GET /api/v1/health"]],
])(
  "%s: what a proxy may read otherwise is refused, and nothing behind it is answered",
  async (_what, lines) => {
    const answer = await exchange(...lines, "", `GET /api/v1/health HTTP/1.1\r\n${HOST}`);
    expect([answer.status, answer.head.match(/http\/1\.1/g)?.length]).toEqual([400, 1]);
    expect(answer.body).not.toContain("ALIVE");
  },
);

test("an upgrade that a route does not know is left aside", async () => {
  const upgrade = [
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABk",
  ];
  const answer = await exchange("GET /api/v1/health HTTP/1.1", HOST, ...upgrade);
  expect([answer.status, answer.body]).toEqual([200, '{"error":false,"message":"200 ALIVE"}']);
  const body = await exchange("POST /api/v1/health HTTP/1.1", HOST, ...upgrade);
  expect([body.status, code(body)]).toEqual([400, "bad_request"]);
});

test("a method of HTTP that no path takes is answered with those that it does", async () => {
  const answer = await exchange("TRACE /api/v1/health HTTP/1.1", HOST, CLOSE);
  expect([answer.status, code(answer)]).toEqual([405, "method_not_allowed"]);
  expect(answer.head).toContain("allow: get, head");
});

test("too many upgrades are refused, too", async () => {
  await using limited = await openTestServer({ env: { GRADIENT_RATE_LIMITS: "true" } });
  const { hostname, port } = new URL(limited.url);
  const upgrade = async () => {
    const socket = connect(Number(port), hostname);
    socket.write(`GET /proto HTTP/1.1\r\n${HOST}\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n`);
    return (await text(socket)).split(" ")[1];
  };
  const found = await Promise.all(Array.from({ length: 180 }, upgrade));
  expect(found.filter((status) => status === "429").length).toBeGreaterThan(0);
});
