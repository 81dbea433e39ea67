import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import {
  encodeNix32,
  fingerprint,
  formatSriHash,
  hashBytes,
  makeStorePath,
  parseNarInfo,
  PublicKey,
  storePathBase,
  storePathHash,
  type StorePath,
} from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { makeOutput, makeSource, type TestObject } from "../../../../test-objects.test-support.ts";
import { openTestServer, type Answer, type TestServer } from "../../../server.test-support.ts";

let server: TestServer;
let alice: string;
let viewer: string;
let bob: string;

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_MAX_NAR_UPLOAD_SIZE: "1M" } });
  alice = await server.user("alice");
  bob = await server.user("bob");
  viewer = await server.user("viewer");
  for (const name of ["main", "second", "open"]) {
    const body = { name, display_name: name, public: name === "open" };
    await server.put("caches", alice, body);
  }
  await server.services.database.kysely.deleteFrom("cache_upstreams").execute();
  await server.put("orgs", alice, { name: "acme", display_name: "Acme" });
  await server.post("orgs/acme/users", alice, { user: "viewer", role: "View" });
  await server.post("orgs/acme/subscribe/main", alice);
});
afterAll(() => server[Symbol.asyncDispose]());

let made = 0;
function newPath(name = "thing"): StorePath {
  made += 1;
  return makeStorePath("output:out", hashBytes("sha256", Buffer.from(`${name} ${made}`)), name);
}

/** Different bytes each time. */
const thing = (name = "thing", references: StorePath[] = []): Promise<TestObject> => {
  const path = newPath(name);
  return makeOutput(path, { references, text: `${" ".repeat(44)}${name} ${made}` });
};

const sri = (bytes: Uint8Array): string => formatSriHash(hashBytes("sha256", bytes));

function claimOf({ facts, nar }: TestObject, file: Buffer) {
  return {
    store_path: storePathBase(facts.path),
    file_hash: sri(file),
    file_size: file.length,
    nar_hash: sri(nar),
    nar_size: nar.length,
    references: facts.references.map((path) => path.slice("/nix/store/".length)),
    deriver: facts.deriver,
  };
}

const narOf = (object: TestObject, cache = "main") =>
  `caches/${cache}/nars/${storePathHash(object.facts.path)}`;

async function send(
  method: string,
  path: string,
  token: string,
  body: Blob | FormData,
): Promise<Answer> {
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method,
    body,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body instanceof FormData ? {} : { "content-type": "application/octet-stream" }),
    },
  });
  const text = await response.text();
  const json = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, text, json, message: json?.message };
}

const bytesOf = (buffer: Buffer): Blob => new Blob([new Uint8Array(buffer)]);

async function upload(
  object: TestObject,
  options: { cache?: string; token?: string; file?: Buffer; change?: object } = {},
): Promise<Answer> {
  const { cache = "main", token = alice, file = object.body, change = {} } = options;
  const path = narOf(object, cache);
  const chunk = await send("PUT", `${path}/chunk?offset=0`, token, bytesOf(file));
  if (chunk.status !== 200) return chunk;
  return server.post(`${path}/finalize`, token, { ...claimOf(object, file), ...change });
}

async function post(
  object: TestObject,
  parts: ("narinfo" | "nar")[] = ["narinfo", "nar"],
): Promise<Answer> {
  const form = new FormData();
  for (const part of parts) {
    if (part === "nar") form.append("nar", bytesOf(object.body), "x.nar.zst");
    else form.append("narinfo", JSON.stringify(claimOf(object, object.body)));
  }
  return send("POST", "caches/main/nars", alice, form);
}

/** Files of NARs, drafts and staged pieces. */
async function filesOnDisk(): Promise<string[]> {
  const all = await readdir(join(server.dataDir, "nar"), { recursive: true, withFileTypes: true });
  return all.filter((each) => each.isFile()).map((each) => each.name);
}

describe("an upload in chunks", () => {
  test("shows the path, signed by the cache, with the file as it came", async () => {
    const object = await thing();
    const answer = await upload(object);
    expect([answer.status, answer.message]).toEqual([
      201,
      { store_path: storePathBase(object.facts.path), created: true },
    ]);
    const info = parseNarInfo(
      (
        await server.call("GET", `/cache/main/${storePathHash(object.facts.path)}.narinfo`, {
          token: alice,
        })
      ).text,
    );
    expect(info.fileHash).toBe(
      `sha256:${encodeNix32(createHash("sha256").update(object.body).digest())}`,
    );
    const key = PublicKey.parse((await server.get("caches/main/public-key", alice)).message);
    expect(key.verifies(fingerprint(info), info.signatures[0] ?? "")).toBe(true);
  });

  test("goes on where it was: any other offset changes nothing and is told what is kept", async () => {
    const object = await thing();
    const path = narOf(object);
    const chunk = (offset: number, bytes: Buffer) =>
      send("PUT", `${path}/chunk?offset=${offset}`, alice, bytesOf(bytes));
    const half = Math.floor(object.body.length / 2);
    expect((await chunk(7, object.body)).message).toEqual({ received: 0 });
    expect((await chunk(0, object.body.subarray(0, half))).message).toEqual({ received: half });
    expect((await chunk(0, object.body.subarray(0, half))).message).toEqual({ received: half });
    expect((await chunk(half + 1, object.body)).message).toEqual({ received: half });
    const whole = object.body.length;
    expect((await chunk(half, object.body.subarray(half))).message).toEqual({ received: whole });
    const answer = await server.post(`${path}/finalize`, alice, claimOf(object, object.body));
    expect(answer.status).toBe(201);
  });

  test("can be finished twice: the second answer says that nothing is new", async () => {
    const object = await thing();
    expect((await upload(object)).message.created).toBe(true);
    const again = await server.post(
      `${narOf(object)}/finalize`,
      alice,
      claimOf(object, object.body),
    );
    expect([again.status, again.message.created]).toEqual([201, false]);
    expect((await upload(object)).message.created).toBe(false);
  });

  test("takes files as other caches have them, and stores them packed with zstd", async () => {
    for (const pack of [(nar: Buffer) => nar, gzipSync]) {
      const object = await thing();
      const answer = await upload(object, { file: pack(object.nar) });
      expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
      const shown = (await server.get(narOf(object), alice)).message;
      expect(shown.nar_size).toBe(object.nar.length);
      const path = `/cache/main/nar/${shown.file_hash.slice(7)}.nar.zst`;
      expect((await server.call("HEAD", path, { token: alice })).status).toBe(200);
    }
  });

  test("of a file that is larger than allowed is refused, and nothing is kept of it", async () => {
    const object = await thing();
    const before = await filesOnDisk();
    const answer = await upload(object, { file: Buffer.alloc(1024 * 1024 + 1) });
    expect([answer.status, answer.json?.code]).toEqual([413, "payload_too_large"]);
    expect(await filesOnDisk()).toEqual(before);
  });

  test("takes 64 MiB in one request, and says so before they are sent", async () => {
    const object = await thing();
    const url = `${server.url}/api/v1/${narOf(object)}/chunk?offset=0`;
    const asked = httpRequest(url, {
      method: "PUT",
      headers: {
        authorization: `Bearer ${alice}`,
        "content-type": "application/octet-stream",
        "content-length": String(64 * 1024 * 1024 + 1),
      },
    });
    asked.on("error", () => undefined);
    asked.flushHeaders();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    expect(answer.statusCode).toBe(413);
    expect(await text(answer)).toContain("67108864");
    asked.destroy();
  });

  test("is not unpacked beyond what was said of it", async () => {
    const object = await thing();
    const large = await makeOutput(newPath(), { text: "0".repeat(30 * 1024 * 1024) });
    const file = Buffer.from(compress(large.nar));
    const answer = await upload(object, {
      file,
      change: { file_hash: sri(file), file_size: file.length, nar_size: 500 },
    });
    expect([answer.status, answer.json?.code]).toEqual([422, "nar_size_mismatch"]);
    expect(answer.message).toContain("larger than the 500 bytes that were announced");
  });

  test("that was never begun cannot be finished", async () => {
    const object = await thing();
    const path = `${narOf(object)}/finalize`;
    const answer = await server.post(path, alice, claimOf(object, object.body));
    expect([answer.status, answer.json?.code]).toEqual([400, "nothing_staged"]);
  });

  test("has to be finished under the hash that it was begun with", async () => {
    const object = await thing();
    const other = await thing();
    const answer = await upload(object, {
      change: { store_path: storePathBase(other.facts.path) },
    });
    expect([answer.status, answer.json?.code]).toEqual([400, "bad_request"]);
  });
});

describe("an upload as a form", () => {
  test("shows the path", async () => {
    const object = await thing();
    const answer = await post(object);
    expect([answer.status, answer.message.created]).toEqual([201, true]);
    expect((await post(object)).message.created).toBe(false);
  });

  test("has a narinfo of bounded size, as a file, too", async () => {
    const form = new FormData();
    form.append("narinfo", new Blob([" ".repeat(4 * 1024 * 1024 + 1)]), "narinfo.json");
    expect((await send("POST", "caches/main/nars", alice, form)).status).toBe(413);
  });

  test("has its parts in any order, and both", async () => {
    const object = await thing();
    const before = await filesOnDisk();
    expect((await post(object, ["nar"])).status).toBe(400);
    expect((await post(object, ["narinfo"])).status).toBe(400);
    expect(await filesOnDisk()).toEqual(before);
    expect((await send("POST", "caches/main/nars", alice, new FormData())).status).toBe(400);
    expect((await server.get(narOf(object), alice)).status).toBe(404);
    expect((await post(object, ["nar", "narinfo"])).message.created).toBe(true);
  });
});

describe("what an upload refers to", () => {
  test("has to be in the cache before: the answer names what is missing", async () => {
    const library = await thing("library");
    const program = await thing("program", [library.facts.path]);
    const before = await filesOnDisk();
    const early = await upload(program);
    expect([early.status, early.json?.code]).toEqual([422, "missing_reference"]);
    expect(early.text).toContain(library.facts.path);
    expect(await filesOnDisk()).toEqual(before);
    expect((await upload(library)).status).toBe(201);
    expect((await upload(program)).status).toBe(201);
  });

  test("has to occur in its bytes, and itself has to be named when it does", async () => {
    const library = await thing("library");
    await upload(library);
    const plain = await thing();
    const references = [storePathBase(library.facts.path)];
    const claimed = await upload(plain, { change: { references } });
    expect([claimed.status, claimed.json?.code]).toEqual([422, "wrong_references"]);
    const path = newPath("selfish");
    const selfish = await makeOutput(path, { mention: [path] });
    const hidden = await upload(selfish);
    expect([hidden.status, hidden.json?.code]).toEqual([422, "wrong_references"]);
    const said = await upload(selfish, { change: { references: [storePathBase(path)] } });
    expect(said.status).toBe(201);
  });
});

describe("the paths of a cache", () => {
  test("are listed with filters, orders and pages of up to 200", async () => {
    const objects = [await thing("zlib"), await thing("Zlib-dev"), await thing("curl")];
    for (const object of objects) await upload(object, { cache: "second" });
    const list = async (query: string) =>
      (await server.get(`caches/second/nars?${query}`, alice)).message;
    const all = await list("per_page=500");
    expect([all.total, all.page, all.per_page, all.items.length]).toEqual([3, 1, 200, 3]);
    expect(all.items[0]).toEqual({
      hash: expect.stringMatching(/^[0-9a-z]{32}$/),
      store_path: expect.stringMatching(/^[0-9a-z]{32}-/),
      package: expect.any(String),
      nar_size: expect.any(Number),
      file_size: expect.any(Number),
      created_at: expect.stringMatching(/Z$/),
      last_fetched_at: null,
    });
    const names = async (query: string): Promise<string[]> =>
      (await list(query)).items.map((item: { package: string }) => item.package);
    expect(await names("package=ZLIB&sort=nar_size&order=asc")).toHaveLength(2);
    expect(await names("package=%25")).toEqual([]);
    const [first] = objects;
    const hash = first === undefined ? "" : storePathHash(first.facts.path);
    expect(await names(`hash=${hash.slice(0, 8)}`)).toEqual(["zlib"]);
    const sizes = (await list("sort=nar_size&order=desc")).items.map(
      (item: { nar_size: number }) => item.nar_size,
    );
    expect(sizes).toEqual(sizes.toSorted((a: number, b: number) => b - a));
    const second = await list("per_page=2&page=2");
    expect([second.items.length, second.total]).toEqual([1, 3]);
    expect((await server.get("caches/second/nars?sort=name", alice)).status).toBe(400);
  });

  test("are counted", async () => {
    const stats = (await server.get("caches/second/nars/stats", alice)).message;
    expect(stats).toEqual({
      total_nars: 3,
      total_nar_size: expect.any(Number),
      total_file_size: expect.any(Number),
      last_uploaded_at: expect.stringMatching(/Z$/),
      oldest_fetched_at: null,
    });
    expect((await server.get("caches/open/nars/stats", bob)).message).toEqual({
      total_nars: 0,
      total_nar_size: 0,
      total_file_size: 0,
      last_uploaded_at: null,
      oldest_fetched_at: null,
    });
  });

  test("can be asked for, one by one", async () => {
    const library = await thing("library");
    const object = await thing("one", [library.facts.path]);
    await upload(library);
    await upload(object);
    const hash = storePathHash(object.facts.path);
    const available = `caches/main/nars/available?hash=${hash}`;
    expect((await server.get(available, viewer)).message).toEqual({ available: true });
    expect((await server.get("caches/main/nars/available", viewer)).status).toBe(400);
    expect((await server.get("caches/main/nars/available?hash=x", viewer)).status).toBe(400);
    const shown = (await server.get(narOf(object), viewer)).message;
    expect(shown).toMatchObject({
      hash,
      store_path: storePathBase(object.facts.path),
      nar_hash: object.facts.narHash,
      references: [storePathBase(library.facts.path)],
      deriver: null,
      ca: null,
      fetch_count: 0,
      signed: true,
    });
    expect((await server.get(`caches/main/nars/${"0".repeat(32)}`, viewer)).status).toBe(404);
    expect((await server.get("caches/main/nars/nonsense", viewer)).status).toBe(400);
  });

  test("can be deleted when nothing of the cache needs them; bytes stay while another cache has them", async () => {
    const library = await thing("library");
    const program = await thing("program", [library.facts.path]);
    for (const cache of ["main", "second"]) {
      await upload(library, { cache });
      await upload(program, { cache });
    }
    const path = narOf(library);
    const file = `${library.facts.narHash.slice(7)}.nar.zst`;
    const refused = await server.delete(path, alice);
    expect([refused.status, refused.json?.code]).toEqual([409, "still_referenced"]);
    expect(refused.text).toContain(program.facts.path);
    const gone = await server.delete(narOf(program), alice);
    expect([gone.status, gone.text]).toEqual([204, ""]);
    expect((await server.delete(path, alice)).status).toBe(204);
    expect((await server.get(path, alice)).status).toBe(404);
    expect((await server.delete(path, alice)).status).toBe(404);
    expect(await filesOnDisk()).toContain(file);
    await server.delete(narOf(program, "second"), alice);
    await server.delete(narOf(library, "second"), alice);
    expect(await filesOnDisk()).not.toContain(file);
  });

  test("are content-addressed only with an address that their bytes have", async () => {
    const source = await makeSource("source", "text of a source");
    const other = await makeSource("source", "another text");
    const right = await upload(source, { change: { ca: source.facts.ca } });
    expect(right.status).toBe(201);
    const wrong = await upload(other, { change: { ca: source.facts.ca } });
    expect([wrong.status, wrong.json?.code]).toEqual([422, "wrong_ca"]);
  });

  test("never change: other bytes for the same path are a conflict", async () => {
    const path = newPath("once");
    const [first, second] = [
      await makeOutput(path, { text: "first".padStart(60) }),
      await makeOutput(path, { text: "second".padStart(60) }),
    ];
    await upload(first);
    const answer = await upload(second);
    expect([answer.status, answer.json?.code]).toEqual([409, "already_exists"]);
    expect((await server.get(narOf(first), alice)).message.nar_hash).toBe(first.facts.narHash);
    expect(await filesOnDisk()).not.toContain(`${second.facts.narHash.slice(7)}.nar.zst`);
  });
});

describe("who may", () => {
  test("read a private cache's paths: those who have part in it", async () => {
    for (const path of ["nars", "nars/stats", "public-key", "stats"]) {
      expect((await server.get(`caches/main/${path}`, viewer)).status).toBe(200);
      expect((await server.get(`caches/main/${path}`, bob)).status).toBe(404);
      expect((await server.get(`caches/main/${path}`)).status).toBe(404);
      expect((await server.get(`caches/open/${path}`)).status).toBe(200);
    }
  });

  test("write: those with writeStore, others get 401, 403 or 404", async () => {
    const object = await thing();
    const path = narOf(object);
    expect((await upload(object, { token: viewer })).status).toBe(403);
    expect((await upload(object, { token: bob })).status).toBe(404);
    expect((await server.delete(path, viewer)).status).toBe(403);
    expect((await server.delete(path)).status).toBe(401);
    expect((await server.post(`${path}/finalize`, undefined, {})).status).toBe(401);
    const form = new FormData();
    expect((await send("POST", "caches/main/nars", viewer, form)).status).toBe(403);
  });

  test("use a pinned key: on its own cache, with what it was given", async () => {
    const reading = await server.key(alice, { cache: "main", permissions: ["viewCache"] });
    const writing = await server.key(alice, {
      cache: "main",
      permissions: ["viewCache", "writeStore"],
    });
    const object = await thing();
    expect((await upload(object, { token: reading })).status).toBe(403);
    expect((await upload(object, { token: writing, cache: "second" })).status).toBe(403);
    expect((await upload(object, { token: writing })).status).toBe(201);
  });
});

test("uploads and deletions stand in the trail of who made them", async () => {
  const object = await thing("noted");
  await upload(object, { cache: "second" });
  await server.delete(narOf(object, "second"), alice);
  const { items } = (await server.get("user/audit-log", alice)).message;
  const subject = storePathBase(object.facts.path);
  const events = items.map((item: { event?: string; action?: string; subject?: string }) => ({
    event: item.event ?? item.action,
    subject: item.subject,
  }));
  expect(events.slice(0, 2)).toEqual([
    { event: "cache.nar.delete", subject },
    { event: "cache.nar.upload", subject },
  ]);
});

test("what is fetched is counted by hour, without a write for each request", async () => {
  const object = await thing("fetched");
  await upload(object, { cache: "open" });
  const hash = storePathHash(object.facts.path);
  const { file_hash: fileHash } = (await server.get(narOf(object, "open"))).message;
  await server.get(`/cache/open/nar/${fileHash.slice(7)}.nar.zst`);
  await server.get(`/cache/open/${hash}.narinfo`);
  await server.get(`/cache/open/${hash}.narinfo`);
  await server.get(`/cache/open/${"0".repeat(32)}.narinfo`);
  const stats = (await server.get("caches/open/stats")).message;
  expect(stats).toMatchObject({
    hits: 2,
    misses: 1,
    nar_requests: 1,
    nar_bytes_served: object.body.length,
    hours: [{ hits: 2, hour: expect.stringMatching(/:00:00.000Z$/) }],
  });
  expect((await server.get(narOf(object, "open"))).message.fetch_count).toBe(1);
});
