import { once } from "node:events";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect, Socket } from "node:net";
import { dirname } from "node:path";
import { encodeNix32 } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../clock.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { seedPath } from "./seed-path.test-support.ts";

let server: TestServer;
let alice: string;
/** What the server's clock is ahead. */
let aheadMs = 0;
const small = nar(randomBytes(20_000));
const smaller = nar(randomBytes(10_000));
const empty = nar(Buffer.alloc(0));
const large = nar(randomBytes(300_000));

interface Nar {
  bytes: Buffer;
  fileHash: string;
  narHash: string;
  size: number;
}

function nar(bytes: Buffer): Nar {
  const fileHash = encodeNix32(createHash("sha256").update(bytes).digest());
  const narHash = encodeNix32(createHash("sha256").update("nar of").update(bytes).digest());
  return { bytes, fileHash, narHash, size: bytes.length };
}

const urlOf = (cache: string, { fileHash }: Nar): string =>
  `/cache/${cache}/nar/${fileHash}.nar.zst`;

beforeAll(async () => {
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  server = await openTestServer({ clock });
  alice = await server.user("alice");
  for (const [name, each] of Object.entries({
    open: small,
    narrow: smaller,
    void: empty,
    wide: large,
    closed: small,
    off: small,
  })) {
    await server.put("caches", alice, { name, display_name: name, public: name !== "closed" });
    await seedPath(server, name, each);
    await mkdir(dirname(server.nars.file(each.narHash)), { recursive: true });
    await writeFile(server.nars.file(each.narHash), each.bytes);
  }
  await server.delete("caches/off/active", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

/** All bytes of the answer, but for the date and the request's id. */
async function rawAnswer(
  url: string,
  headers: readonly string[] = [],
  version = "1.1",
): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => pieces.push(piece));
  const lines = [
    `GET ${url} HTTP/${version}`,
    `Host: ${hostname}`,
    "Connection: close",
    ...headers,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await once(socket, "end");
  const text = Buffer.concat(pieces).toString("latin1");
  return text.replace(/^Date: .*$/m, "").replace(/^x-request-id: [0-9a-f-]{36}$/m, "");
}

/** Whether a lane answers. */
function takes(url: string, { method = "GET", ...headers }: Record<string, string> = {}): boolean {
  const request = { method, url, headers, socket: new Socket() };
  return server.services.lanes.some((lane) => lane.answer(request) !== null);
}

describe("a small NAR of a public cache", () => {
  /** Holds for no file, and is the router's business. */
  const toRouter = 'If-None-Match: "other"';

  test.each([
    ["", () => urlOf("open", small), [], "1.1"],
    ["that is empty", () => urlOf("void", empty), [], "1.1"],
    ["asked for by an old client", () => urlOf("open", small), [], "1.0"],
    ["that is sent as one text", () => urlOf("narrow", smaller), [], "1.1"],
    ["whose request has an id", () => urlOf("open", small), ["X-Request-Id: my-id"], "1.1"],
    [
      "asked for with credentials",
      () => urlOf("open", small),
      ["Authorization: Basic YTpi"],
      "1.1",
    ],
    [
      "asked for by a page",
      () => urlOf("open", small),
      ["Origin: https://elsewhere.example"],
      "1.1",
    ],
  ] as const)(
    "%s is the same from the lane and from the route",
    async (_, url, headers, version) => {
      expect(takes(url())).toBe(true);
      const short = await rawAnswer(url(), headers, version);
      expect(short).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(short).toBe(await rawAnswer(url(), [...headers, toRouter], version));
    },
  );

  test("is counted", async () => {
    const before = server.services.lastUse.traffic;
    const { id = "" } = server.services.surface.findCache("open") ?? {};
    const { narRequests = 0, narBytes = 0 } = { ...before.get(id) };
    await rawAnswer(urlOf("open", small));
    expect(server.services.lastUse.traffic.get(id)).toMatchObject({
      narRequests: narRequests + 1,
      narBytes: narBytes + small.size,
    });
  });
});

test("everything else goes through the router", () => {
  const url = urlOf("open", small);
  expect(takes(url)).toBe(true);
  const others: [string, Record<string, string>][] = [
    [url, { method: "HEAD" }],
    [url, { range: "bytes=0-1" }],
    [url, { "if-range": "x" }],
    [url, { "if-none-match": "x" }],
    [`${url}?x`, {}],
    [url.replace(".zst", ".xz"), {}],
    [urlOf("closed", small), {}],
    [urlOf("off", small), {}],
    [urlOf("wide", small), {}],
    [urlOf("wide", large), {}],
    [urlOf("nowhere", small), {}],
  ];
  for (const [path, headers] of others)
    expect([path, headers, takes(path, headers)]).toEqual([path, headers, false]);
});

test("a small NAR of a private cache is for its readers", async () => {
  const token = Buffer.from(`any:${alice}`).toString("base64");
  const allowed = await rawAnswer(urlOf("closed", small), [`Authorization: Basic ${token}`]);
  expect(allowed).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(allowed).toContain("cache-control: private, ");
  expect(allowed.endsWith(small.bytes.toString("latin1"))).toBe(true);
  expect(await rawAnswer(urlOf("closed", small))).toMatch(/^HTTP\/1\.1 401 /);
});

/** A small NAR of a new public cache, which nobody has asked for. */
async function added(name: string): Promise<Nar> {
  const made = nar(randomBytes(100));
  await server.put("caches", alice, { name, display_name: name, public: true });
  await seedPath(server, name, made);
  await mkdir(dirname(server.nars.file(made.narHash)), { recursive: true });
  await writeFile(server.nars.file(made.narHash), made.bytes);
  return made;
}

/** Until the database is asked for its version again. */
function soon(): void {
  aheadMs += 51;
}

test("a path that leaves the cache takes its NAR along", async () => {
  const gone = await added("passing");
  expect(takes(urlOf("passing", gone))).toBe(true);
  await server.services.database.kysely
    .deleteFrom("cache_paths")
    .where("nar_hash", "=", gone.narHash)
    .execute();
  soon();
  expect(takes(urlOf("passing", gone))).toBe(false);
});

test("what is asked for again comes from memory, while its cache shows it to everybody", async () => {
  const kept = await added("lasting");
  const asked = () => takes(urlOf("lasting", kept));
  expect(asked()).toBe(true);
  await rm(server.nars.file(kept.narHash));
  expect(asked()).toBe(true);
  await server.put("caches", alice, { name: "another", display_name: "x", public: true });
  soon();
  expect(asked()).toBe(true);
  const paths = server.services.database.kysely.updateTable("cache_paths");
  await paths.set({ is_hidden: 1 }).where("nar_hash", "=", kept.narHash).execute();
  soon();
  expect(asked()).toBe(false);
  const shut = await added("closing");
  expect(takes(urlOf("closing", shut))).toBe(true);
  await server.delete("caches/closing/public", alice);
  expect(takes(urlOf("closing", shut))).toBe(false);
});

test("a NAR whose file is lost, or cut, is the router's to explain", async () => {
  const lost = await added("losing");
  await rm(server.nars.file(lost.narHash));
  expect(await rawAnswer(urlOf("losing", lost))).toMatch(/^HTTP\/1\.1 404 /);
  await writeFile(server.nars.file(large.narHash), large.bytes.subarray(0, 10));
  expect(takes(urlOf("wide", large))).toBe(false);
});
