import { Readable } from "node:stream";
import {
  hashBytes,
  makeStorePath,
  PublicKey,
  SecretKey,
  storePathBase,
  storePathHash,
} from "@gradient/protocol";
import type { StorePath } from "@gradient/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { claimOfFields } from "../../../caches/path-claim.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { file, nar } from "./uploads.test-support.ts";

const DRV = "0".repeat(32).concat("-thing.drv");
const ID = `sha256:${"a".repeat(64)}!out`;

let server: TestServer;
let alice: string;
let first: StorePath;
let second: StorePath;
let made = 0;

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_ALLOW_PRIVATE_ADDRESSES: "127.0.0.0/8" } });
  alice = await server.user("alice");
});
afterAll(() => server[Symbol.asyncDispose]());

let cache: string;
beforeEach(async () => {
  made += 1;
  cache = `cache-${made}`;
  await server.put("caches", alice, { name: cache, display_name: "Cache", public: true });
  first = await shownPath("first");
  second = await shownPath("second");
});

/** A path that the cache shows. */
async function shownPath(text: string): Promise<StorePath> {
  const path = makeStorePath("output:out", hashBytes("sha256", Buffer.from(text)), text);
  const bytes = nar(file(text));
  const digest = `sha256:${Buffer.from(hashBytes("sha256", bytes).digest).toString("hex")}`;
  const claim = claimOfFields({
    store_path: path,
    nar_hash: digest,
    nar_size: bytes.length,
    file_hash: digest,
    file_size: bytes.length,
    references: [],
  });
  const { id } = (await server.get(`caches/${cache}`, alice)).message;
  await server.services.content.upload(
    { id, name: cache },
    { claim, by: null },
    Readable.from([bytes]),
  );
  return path;
}

/** As text, however the place has it. */
function firstSignature(json: object | undefined): string {
  const { signatures } = json as { signatures: (string | { keyName: string; sig: string })[] };
  const [first = ""] = signatures;
  return typeof first === "string" ? first : `${first.keyName}:${first.sig}`;
}

async function put(place: string, entry: unknown, token: string | null = alice) {
  const answer = await fetch(`${server.url}/cache/${cache}/${place}`, {
    method: "PUT",
    headers: token === null ? {} : { authorization: `Basic ${btoa(`any:${token}`)}` },
    body: typeof entry === "string" ? entry : JSON.stringify(entry),
  });
  return { status: answer.status, text: await answer.text() };
}

const get = (place: string) => server.get(`/cache/${cache}/${place}`);

describe.each([
  {
    where: "by the derivation's hash, as before Nix 2.35",
    place: `realisations/${ID}.doi`,
    key: { id: ID, dependentRealisations: {} },
    signatures: ["k-1:c2lnbmF0dXJl"],
    message: (outPath: string) =>
      `{"dependentRealisations":{},"id":"${ID}","outPath":"${outPath}"}`,
  },
  {
    where: "by the derivation's path, as since Nix 2.35",
    place: `build-trace-v2/${DRV}/out.doi`,
    key: {},
    signatures: [{ keyName: "k-1", sig: "c2lnbmF0dXJl" }],
    message: (outPath: string) =>
      `{"key":{"drvPath":"${DRV}","outputName":"out"},"value":{"outPath":"${outPath}"}}`,
  },
])("a realisation $where", ({ place, key, signatures, message }) => {
  const entry = (path: StorePath) => ({ ...key, outPath: storePathBase(path), signatures });
  const signed = (path: StorePath) => ({
    ...entry(path),
    signatures: [expect.anything(), ...signatures],
  });

  test("comes back as it was sent, signed by the cache, however its address is escaped", async () => {
    expect((await put(place, entry(first))).status).toBe(201);
    expect((await put(place, entry(first))).status).toBe(201);
    const publicKey = PublicKey.parse((await server.get(`caches/${cache}/public-key`)).message);
    for (const address of [place, place.replace("!", "%21")]) {
      const { json } = await get(address);
      expect(json).toEqual(signed(first));
      expect(publicKey.verifies(message(storePathBase(first)), firstSignature(json))).toBe(true);
    }
  });

  test("is of a path that the cache shows, and gone when that is", async () => {
    await put(place, entry(first));
    expect((await put(place, entry(second))).status).toBe(409);
    await server.delete(`caches/${cache}/nars/${storePathHash(first)}`, alice);
    expect((await get(place)).status).toBe(404);
    expect((await put(place, entry(first))).text).toContain("missing_reference");
    expect((await put(place, entry(second))).status).toBe(201);
    expect((await get(place)).json).toEqual(signed(second));
  });

  test("of an upstream is told as long as its key has signed it and its path is there", async () => {
    await put(place, entry(first));
    const mirror = `mirror-${made}-${key.id === undefined ? "new" : "old"}`;
    await server.put("caches", alice, { name: mirror, display_name: "Mirror", public: true });
    const publicKey = (await server.get(`caches/${cache}/public-key`)).message;
    const { id } = (await server.get(`caches/${mirror}`, alice)).message;
    const trust = (trusted: string) =>
      server.services.database.kysely
        .updateTable("cache_upstreams")
        .set({ url: `${server.url}/cache/${cache}`, public_key: trusted })
        .where("cache_id", "=", id)
        .execute();
    await trust(SecretKey.generate("stranger-1").publicKey.toString());
    expect((await server.get(`/cache/${mirror}/${place}`)).status).toBe(404);
    await trust(publicKey);
    const { json } = await server.get(`/cache/${mirror}/${place}`);
    expect(json).toMatchObject({ outPath: storePathBase(first) });
    const own = PublicKey.parse((await server.get(`caches/${mirror}/public-key`)).message);
    expect(own.verifies(message(storePathBase(first)), firstSignature(json))).toBe(true);
    const inner = `inner-${mirror}`;
    await server.put("caches", alice, { name: inner, display_name: "Inner", public: true });
    const { id: innerId } = (await server.get(`caches/${inner}`, alice)).message;
    const upstream = (await server.get(`caches/${cache}`, alice)).message.id;
    await server.services.database.kysely
      .updateTable("cache_upstreams")
      .set({ kind: "internal", url: null, public_key: null, upstream_cache_id: upstream })
      .where("cache_id", "=", innerId)
      .execute();
    expect((await server.get(`/cache/${inner}/${place}`)).status).toBe(200);
    await server.delete(`caches/${cache}/nars/${storePathHash(first)}`, alice);
    expect((await server.get(`/cache/${inner}/${place}`)).status).toBe(404);
  });

  test("is refused when it is none, or of nobody who may write", async () => {
    expect((await put(place, entry(first), null)).status).toBe(401);
    for (const [what, wrong] of [
      ["no JSON", "{"],
      ["no object", []],
      ["without a path", { ...key, signatures }],
      ["a path that is none", { ...entry(first), outPath: "../../etc/passwd" }],
      ["a signature that is none", { ...entry(first), signatures: [1] }],
    ] as const) {
      expect((await put(place, wrong)).text, what).toContain("bad_realisation");
    }
    expect((await put(place, "x".repeat(300_000))).status).toBe(413);
    expect((await get(place)).status).toBe(404);
  });
});

test.each([
  "realisations/x.doi",
  `realisations/${ID}`,
  "build-trace-v2/x.drv/out.doi",
  `build-trace-v2/${DRV.replace(".drv", "")}/out.doi`,
  `build-trace-v2/${DRV}/out`,
  `build-trace-v2/${DRV}/a%2fb.doi`,
])("%s is no realisation's place", async (place) => {
  expect((await get(place)).status).toBe(400);
  expect((await put(place, {})).status).toBe(400);
});

test("one of another derivation than its address says is refused", async () => {
  const other = { id: ID.replace("a", "b"), outPath: storePathBase(first) };
  expect((await put(`realisations/${ID}.doi`, other)).text).toContain("bad_realisation");
});
