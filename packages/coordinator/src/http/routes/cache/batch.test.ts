import { createHash } from "node:crypto";
import {
  encodeNix32,
  fingerprint,
  hashBytes,
  makeStorePath,
  narHashOf,
  storePathBase,
  type StorePath,
} from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { compress } from "zstd-napi";
import { batchesOf } from "../../../db/batches.ts";
import { insertCachedPaths, type NewCachedPath } from "../../../db/cache-path-repository.ts";
import { insertNarObjects, type NewNarObject } from "../../../db/nar-object-repository.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { BatchClient } from "./batch-client.test-support.ts";
import { file, nar } from "./uploads.test-support.ts";

const PATHS = 3600;

// So many files are made durable, and the machine may have more to do.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let server: TestServer;
let alice: string;
let publicKey: string;
/** Each refers to earlier ones; the last has all the others in its closure. */
let paths: StorePath[];
const contents = new Map<string, Buffer>();

beforeAll(async () => {
  server = await openTestServer();
  alice = await server.user("alice");
  await server.put("caches", alice, { name: "open", display_name: "Open", public: true });
  await server.put("caches", alice, { name: "closed", display_name: "Closed" });
  publicKey = (await server.get("caches/open/public-key", alice)).message;
  paths = Array.from({ length: PATHS }, (_, number) =>
    makeStorePath("output:out", hashBytes("sha256", Buffer.from(`${number}`)), `thing-${number}`),
  );
  await fill("open", PATHS);
  await fill("closed", 3);
});
afterAll(() => server[Symbol.asyncDispose]());

const referencesOf = (number: number): StorePath[] =>
  [number - 1, Math.floor(number / 2), number - 60]
    .filter((other) => other >= 0 && other < number)
    .flatMap((other) => paths[other] ?? [])
    .filter((path, at, all) => all.indexOf(path) === at)
    .toSorted();

/** Shows the first paths in a cache as if they had been built. */
async function fill(cache: string, count: number): Promise<void> {
  const { database, signer } = server.services;
  const cacheId = (await server.get(`caches/${cache}`, alice)).message.id;
  const objects: NewNarObject[] = [];
  const rows: NewCachedPath[] = [];
  const files: { narHash: string; bytes: Buffer }[] = [];
  for (const [number, path] of paths.slice(0, count).entries()) {
    const bytes = nar(file(`contents of ${number}`));
    const packed = compress(bytes);
    const digest = createHash("sha256").update(bytes).digest();
    const narHash = encodeNix32(digest);
    const fileHash = encodeNix32(createHash("sha256").update(packed).digest());
    files.push({ narHash, bytes: packed });
    const references = referencesOf(number);
    const text = fingerprint({
      path,
      narHash: narHashOf(digest),
      narSize: bytes.length,
      references,
    });
    const { signatures } = await signer.sign(cacheId, text);
    const sizes = { narSize: bytes.length, fileHash, fileSize: packed.length };
    objects.push({ narHash, ...sizes, foundHashes: [], buildProducts: [] });
    rows.push({
      path: storePathBase(path),
      narHash,
      references: references.map(storePathBase),
      deriver: null,
      ca: null,
      signatures: [...signatures],
    });
    contents.set(storePathBase(path), bytes);
  }
  for (const batch of batchesOf(files)) await server.nars.store(batch);
  await database.transaction(async ({ kysely }) => {
    await insertNarObjects(kysely, objects, 0);
    await insertCachedPaths(kysely, cacheId, rows, 0);
  });
}

const cacheUrl = (cache: string) => `${server.url}/cache/${cache}`;

function baseOf(number: number): string {
  const path = paths[number];
  if (path === undefined) throw new Error(`there is no path ${number}`);
  return storePathBase(path);
}
const hashOf = (number: number) => baseOf(number).slice(0, 32);

async function ask(
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const answer = await fetch(server.url + path, { method: "POST", body, headers });
  return { status: answer.status, text: await answer.text() };
}

describe("a closure of 3600 paths", () => {
  test("comes with all its NARs in less than 25 requests, signed, references first", async () => {
    const client = new BatchClient(cacheUrl("open"), publicKey);
    const infos = await client.closure(baseOf(PATHS - 1));
    expect(infos).toHaveLength(PATHS);
    const seen = new Set<string>();
    for (const { path, references } of infos) {
      expect(references.every((reference) => seen.has(reference))).toBe(true);
      seen.add(path);
    }
    const fetched = await client.nars(infos);
    expect(fetched).toEqual(contents);
    expect(client.requests).toBeLessThan(25);
  });

  test("is found in few requests by clients that know get-narinfos-v1", async () => {
    const client = new BatchClient(cacheUrl("open"), publicKey);
    expect(await client.closureByHints(baseOf(PATHS - 1))).toHaveLength(PATHS);
    expect(client.requests).toBeLessThan(25);
  });
});

describe("a batch", () => {
  test("says which paths are there and which are not, each once", async () => {
    const absent = "0".repeat(32);
    const hashes = [hashOf(7), absent, hashOf(3), hashOf(7)];
    const { status, text } = await ask("/cache/open/narinfos", JSON.stringify({ hashes }));
    const lines = text.trim().split("\n");
    expect(status).toBe(200);
    expect(lines.map((line) => JSON.parse(line).path ?? JSON.parse(line))).toEqual([
      baseOf(7),
      baseOf(3),
      { missing: [absent] },
    ]);
  });

  test("of a closure has what upstreams have, by way of the cache, and says what nobody has", async () => {
    await server.put("caches", alice, { name: "proxy", display_name: "Proxy", public: true });
    const [nixos] = (await server.get("caches/proxy/upstreams", alice)).message;
    await server.delete(`caches/proxy/upstreams/${nixos.id}`, alice);
    const absent = "0".repeat(32);
    const body = JSON.stringify({ hashes: [hashOf(2), absent], closure: true });
    const ofProxy = async () =>
      (await ask("/cache/proxy/narinfos", body)).text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    expect(await ofProxy()).toEqual([{ missing: [hashOf(2), absent] }]);
    await server.put("caches/proxy/upstreams", alice, { type: "internal", cache_name: "open" });
    const proxyKey = (await server.get("caches/proxy/public-key", alice)).message;
    const lines = await ofProxy();
    expect(lines.map(({ path, missing }) => path ?? missing)).toEqual([
      baseOf(0),
      baseOf(1),
      baseOf(2),
      [absent],
    ]);
    expect(lines[0].url).toMatch(/^nar\/upstream\//);
    expect(lines[0].signatures.map((each: string) => each.split(":")[0])).toEqual([
      proxyKey.split(":")[0],
      publicKey.split(":")[0],
    ]);
  });

  test("has the fields of Nix's JSON form, and the same values as the narinfo", async () => {
    const hash = hashOf(3);
    const { text } = await ask("/cache/open/narinfos", JSON.stringify({ hashes: [hash] }));
    const answer = await fetch(`${cacheUrl("open")}/${hash}.narinfo?json`);
    const info = JSON.parse(await answer.text());
    const line = JSON.parse(text.split("\n")[0] ?? "");
    expect(line).toEqual({
      version: 2,
      path: baseOf(3),
      storeDir: "/nix/store",
      narHash: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
      narSize: info.NarSize,
      references: info.References,
      ca: null,
      deriver: null,
      registrationTime: null,
      ultimate: false,
      signatures: [info.Sig],
      url: info.URL,
      compression: "zstd",
      downloadHash: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
      downloadSize: info.FileSize,
    });
  });

  test("of a private cache is for those who may read it", async () => {
    const body = JSON.stringify({ hashes: [hashOf(0)] });
    const login = (token: string) => ({
      authorization: `Basic ${Buffer.from(`x:${token}`).toString("base64")}`,
    });
    const bob = await server.user("bob");
    for (const kind of ["narinfos", "nars", "get-narinfos-v1"]) {
      const path = `/cache/closed/${kind}`;
      const sent = kind === "get-narinfos-v1" ? hashOf(0) : body;
      expect((await ask(path, sent)).status).toBe(401);
      expect((await ask(path, sent, login(bob))).status).toBe(401);
      const { status, text } = await ask(path, sent, login(alice));
      expect([kind, status, text.length > 50]).toEqual([kind, 200, true]);
      expect((await ask(`/cache/nowhere/${kind}`, sent)).status).toBe(404);
    }
  });

  test.each([
    ["no JSON", "{"],
    ["no hashes", "{}"],
    ["a hash that is none", '{"hashes":["x"]}'],
    ["too many hashes", JSON.stringify({ hashes: Array(10_001).fill("0".repeat(32)) })],
  ])("with %s is refused", async (_, body) => {
    for (const kind of ["narinfos", "nars"]) {
      const { status, text } = await ask(`/cache/open/${kind}`, body);
      expect([status, JSON.parse(text).error]).toEqual([400, true]);
    }
  });

  test("that is larger than 1 MiB is refused", async () => {
    const { status } = await ask("/cache/open/get-narinfos-v1", "0".repeat(1 << 21));
    expect(status).toBe(413);
  });

  test("counts as so many requests for narinfos and NARs", async () => {
    const figures = async () => (await server.get("caches/open/stats", alice)).message;
    const before = await figures();
    const hashes = [hashOf(0), hashOf(1), "0".repeat(32)];
    await ask("/cache/open/narinfos", JSON.stringify({ hashes }));
    await ask("/cache/open/nars", JSON.stringify({ hashes }));
    const after = await figures();
    expect(after.hits - before.hits).toBe(2);
    expect(after.misses - before.misses).toBe(1);
    expect(after.nar_requests - before.nar_requests).toBe(2);
    expect(after.nar_bytes_served).toBeGreaterThan(before.nar_bytes_served);
  });
});
