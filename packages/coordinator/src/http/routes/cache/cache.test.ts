import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { request } from "node:http";
import { Socket } from "node:net";
import { encodeNix32, parseNarInfo } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seedEvaluation } from "../../seed.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { KnownCaches } from "./known-caches.ts";
import { KnownVersion } from "./known-version.ts";
import { NarinfoLane } from "./narinfo-lane.ts";

let server: TestServer;
let alice: string;
let bob: string;

const HASH = "00000000000000000000000000000001";
const OTHER_HASH = "00000000000000000000000000000002";
const BASE = `${HASH}-hello`;
const bytes = randomBytes(700_000);
const fileHash = encodeNix32(createHash("sha256").update(bytes).digest());
const narHash = encodeNix32(createHash("sha256").update("nar").digest());

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_LOCAL_IPS: "127.0.0.0/8" } });
  alice = await server.user("alice");
  bob = await server.user("bob");
  for (const name of ["open", "second", "closed", "off"]) {
    await server.put("caches", alice, { name, display_name: name, public: name !== "closed" });
  }
  await server.delete("caches/off/active", alice);
  await server.services.database.kysely
    .insertInto("nar_objects")
    .values({
      nar_hash: narHash,
      nar_size: 12_345,
      file_hash: fileHash,
      file_size: bytes.length,
      compression: "zstd",
      created_at: 1,
    })
    .execute();
  await mkdir(dirname(server.nars.file(narHash)), { recursive: true });
  await writeFile(server.nars.file(narHash), bytes);
  await addPath("open");
  await addPath("closed");
});
afterAll(() => server[Symbol.asyncDispose]());

async function addPath(cacheName: string): Promise<void> {
  const db = server.services.database.kysely;
  const cache = await db
    .selectFrom("caches")
    .select("id")
    .where("name", "=", cacheName)
    .executeTakeFirstOrThrow();
  await db
    .insertInto("cache_paths")
    .values({
      cache_id: cache.id,
      hash_part: HASH,
      path: BASE,
      nar_hash: narHash,
      references_json: JSON.stringify([`${OTHER_HASH}-glibc`, BASE]),
      deriver: `${OTHER_HASH}-hello.drv`,
      signatures_json: JSON.stringify([
        `farm:${Buffer.alloc(64, 1).toString("base64")}`,
        `worker:${Buffer.alloc(64, 2).toString("base64")}`,
      ]),
      created_at: 1,
      fetch_count: 0,
    })
    .execute();
}

const basic = (password: string) => ({
  headers: { authorization: `Basic ${Buffer.from(`any:${password}`).toString("base64")}` },
});

describe("nix-cache-info", () => {
  test("is what Nix reads", async () => {
    const answer = await server.get("/cache/open/nix-cache-info");
    expect(answer.headers.get("content-type")).toBe("text/x-nix-cache-info");
    expect(answer.text).toBe(
      "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\nGetNarInfosV1: get-narinfos-v1\n",
    );
    expect((await server.get("/cache/open/nix-cache-info?json")).json).toEqual({
      WantMassQuery: true,
      StoreDir: "/nix/store",
      Priority: 40,
    });
  });

  test("tells near clients the local priority", async () => {
    await server.patch("caches/second", alice, { local_priority: 7 });
    expect((await server.get("/cache/second/nix-cache-info")).text).toContain("Priority: 7\n");
    const far = await server.call("GET", "/cache/second/nix-cache-info", {
      headers: { "x-forwarded-for": "192.0.2.1" },
    });
    expect(far.text).toContain("Priority: 40\n");
  });

  test("of Gradient's own kind names version and URL", async () => {
    const answer = await server.get("/cache/open/gradient-cache-info");
    expect(answer.text).toBe("GradientVersion: 1.2.3\nGradientUrl: https://farm.example:8443\n");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect((await server.get("/cache/open/gradient-cache-info?json")).json).toEqual({
      GradientVersion: "1.2.3",
      GradientUrl: "https://farm.example:8443",
    });
  });
});

describe("narinfo", () => {
  test("is what Nix reads, the same from the router and from memory", async () => {
    const first = await server.get(`/cache/open/${HASH}.narinfo`);
    const second = await server.get(`/cache/open/${HASH}.narinfo`);
    expect(second.text).toBe(first.text);
    for (const answer of [first, second]) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("text/x-nix-narinfo");
      expect(answer.headers.get("content-length")).toBe(String(answer.text.length));
      expect(answer.headers.get("x-cache")).toBe("HIT");
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("x-request-id")).toBeTruthy();
    }
    expect(parseNarInfo(first.text)).toEqual({
      path: `/nix/store/${BASE}`,
      url: `nar/${fileHash}.nar.zst`,
      compression: "zstd",
      fileHash: `sha256:${fileHash}`,
      fileSize: bytes.length,
      narHash: `sha256:${narHash}`,
      narSize: 12_345,
      references: [`/nix/store/${OTHER_HASH}-glibc`, `/nix/store/${BASE}`],
      deriver: `/nix/store/${OTHER_HASH}-hello.drv`,
      signatures: [expect.stringMatching(/^farm:/), expect.stringMatching(/^worker:/)],
      ca: null,
    });
  });

  test("can be asked for without its body", async () => {
    for (const _ of ["router", "memory"]) {
      const answer = await server.call("HEAD", `/cache/open/${HASH}.narinfo`);
      expect([answer.status, answer.text]).toEqual([200, ""]);
      expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(300);
    }
  });

  test("is JSON where it is wanted", async () => {
    expect((await server.get(`/cache/open/${HASH}.narinfo?json`)).json).toEqual({
      StorePath: `/nix/store/${BASE}`,
      URL: `nar/${fileHash}.nar.zst`,
      Compression: "zstd",
      FileHash: `sha256:${fileHash}`,
      FileSize: bytes.length,
      NarHash: `sha256:${narHash}`,
      NarSize: 12_345,
      References: [`${OTHER_HASH}-glibc`, BASE],
      Sig: expect.stringMatching(/^farm:/),
      Deriver: `${OTHER_HASH}-hello.drv`,
      CA: null,
    });
  });

  test("of a path that the cache does not hold is 404, and of no hash 400", async () => {
    const missing = await server.get(`/cache/open/${OTHER_HASH}.narinfo`);
    expect([missing.status, missing.json?.code]).toEqual([404, "not_found"]);
    expect((await server.get(`/cache/second/${HASH}.narinfo`)).status).toBe(404);
    expect((await server.get("/cache/open/xyz.narinfo")).status).toBe(400);
    expect((await server.get(`/cache/open/${HASH}.nar`)).status).toBe(400);
    expect((await server.get(`/cache/nowhere/${HASH}.narinfo`)).status).toBe(404);
  });

  test("is gone from memory at once when the cache is switched off", async () => {
    const path = `/cache/open/${HASH}.narinfo`;
    await server.get(path);
    expect((await server.get(path)).status).toBe(200);
    await server.delete("caches/open/active", alice);
    const off = await server.get(path);
    expect([off.status, off.json?.code]).toEqual([400, "bad_request"]);
    await server.post("caches/open/active", alice);
    expect((await server.get(path)).status).toBe(200);
  });
});

test("a narinfo in memory is compared with the database again after two seconds", async () => {
  let now = 1_000_000;
  const clock = { now: () => now };
  const lane = new NarinfoLane({
    ...server.services,
    clock,
    version: new KnownVersion(server.services.surface, clock),
    caches: new KnownCaches(server.services.surface, clock),
  });
  const url = `/cache/open/${HASH}.narinfo`;
  answerOf(lane, url);
  // From the second time on it is remembered.
  const before = answerOf(lane, url);
  const db = server.services.database.kysely;
  const sign = (text: string) =>
    db
      .updateTable("cache_paths")
      .set({ signatures_json: text })
      .where("hash_part", "=", HASH)
      .execute();
  const { signatures_json: original } = await db
    .selectFrom("cache_paths")
    .select("signatures_json")
    .executeTakeFirstOrThrow();
  await sign(JSON.stringify([`new:${Buffer.alloc(64, 3).toString("base64")}`]));
  now += 2000;
  expect(answerOf(lane, url)).toBe(before);
  now += 1;
  expect(answerOf(lane, url)).toContain("Sig: new:");
  await sign(original);
});

test("a row that is damaged is one 500, not the end of the server", async () => {
  const db = server.services.database.kysely;
  const cache = await db
    .selectFrom("caches")
    .select("id")
    .where("name", "=", "second")
    .executeTakeFirstOrThrow();
  await db
    .insertInto("cache_paths")
    .values({
      cache_id: cache.id,
      hash_part: OTHER_HASH,
      path: `${OTHER_HASH}-broken`,
      nar_hash: narHash,
      references_json: "{",
      signatures_json: "[]",
      created_at: 1,
      fetch_count: 0,
    })
    .execute();
  const answer = await server.get(`/cache/second/${OTHER_HASH}.narinfo`);
  await db.deleteFrom("cache_paths").where("hash_part", "=", OTHER_HASH).execute();
  expect([answer.status, answer.json?.code]).toEqual([500, "internal"]);
  expect((await server.get("health")).status).toBe(200);
});

/** Body of the lane's answer; null when it has none. */
function answerOf(lane: NarinfoLane, url: string): string | null {
  const answer = lane.answer({ method: "GET", url, headers: {}, socket: new Socket() });
  return answer === null ? null : String(answer.body);
}

describe("NAR", () => {
  const path = `/cache/open/nar/${fileHash}.nar.zst`;
  const fetchRange = (range: string, headers: Record<string, string> = {}) =>
    fetch(server.url + path, { headers: { range, ...headers } });

  test("comes whole", async () => {
    const answer = await fetch(server.url + path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/x-nix-nar");
    expect(answer.headers.get("content-length")).toBe(String(bytes.length));
    expect(answer.headers.get("accept-ranges")).toBe("bytes");
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("comes under the names that the original has for it, too", async () => {
    for (const name of [`${fileHash}.nar`, `${HASH}.nar`, `${HASH}.nar.zst`]) {
      const answer = await fetch(`${server.url}/cache/open/nar/${name}`);
      expect([name, answer.status]).toEqual([name, 200]);
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const absent = await server.get(`/cache/open/nar/${"0".repeat(32)}.nar`);
    expect([absent.status, absent.json?.code]).toEqual([404, "not_found"]);
    expect((await server.get(`/cache/second/nar/${HASH}.nar`)).status).toBe(404);
  });

  test("can be asked for without its body", async () => {
    const answer = await fetch(server.url + path, { method: "HEAD" });
    expect([answer.status, answer.headers.get("content-length")]).toEqual([
      200,
      String(bytes.length),
    ]);
  });

  test.each([
    ["bytes=0-9", 0, 10],
    ["bytes=699990-", 699_990, 700_000],
    ["bytes=-5", 699_995, 700_000],
    ["bytes=10-9999999", 10, 700_000],
  ])("comes in parts: %s", async (range, start, end) => {
    const answer = await fetchRange(range);
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/700000`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(start, end))).toBe(true);
  });

  test("a part behind its end is refused with its size", async () => {
    for (const range of ["bytes=700000-", "bytes=-0"]) {
      const answer = await fetchRange(range);
      expect([answer.status, answer.headers.get("content-range")]).toEqual([416, "bytes */700000"]);
    }
  });

  test("comes whole when the range is odd, or of another file", async () => {
    for (const range of ["bytes=5-1", "lines=1-2", "bytes=0-1,5-6"]) {
      expect((await fetchRange(range)).status).toBe(200);
    }
    expect((await fetchRange("bytes=0-1", { "if-range": '"other"' })).status).toBe(200);
    expect((await fetchRange("bytes=0-1", { "if-range": `"${fileHash}"` })).status).toBe(206);
  });

  test("is only shown by a cache that holds a path with it", async () => {
    expect((await server.get(`/cache/second/nar/${fileHash}.nar.zst`)).status).toBe(404);
    expect((await server.get("/cache/open/nar/abc.nar.zst")).status).toBe(400);
    expect((await server.get(`/cache/open/nar/${narHash}.nar.zst`)).status).toBe(404);
  });

  test("counts its downloads", async () => {
    await server.services.lastUse.flush();
    const db = server.services.database.kysely;
    const read = () =>
      db
        .selectFrom("cache_paths")
        .innerJoin("caches", "caches.id", "cache_paths.cache_id")
        .select(["fetch_count", "last_fetched_at"])
        .where("caches.name", "=", "open")
        .executeTakeFirstOrThrow();
    const before = await read();
    await server.get(path);
    await server.get(path);
    await server.services.lastUse.flush();
    const after = await read();
    expect(after.fetch_count).toBe(before.fetch_count + 2);
    expect(after.last_fetched_at).toBeGreaterThan(Date.now() - 60_000);
  });

  test("of which the file is missing is 404", async () => {
    await server.nars.remove(narHash);
    const answer = await server.get(path);
    await writeFile(server.nars.file(narHash), bytes);
    expect([answer.status, answer.json?.code]).toEqual([404, "not_found"]);
  });

  test("a client that goes away in the middle leaves nothing behind", async () => {
    await new Promise<void>((resolve, reject) => {
      const call = request(server.url + path, (response) => {
        response.once("data", () => {
          call.destroy();
          resolve();
        });
      });
      call.on("error", reject).end();
    });
    expect((await server.get("health")).status).toBe(200);
  });
});

describe("a private cache", () => {
  const path = `/cache/closed/${HASH}.narinfo`;

  test("asks for credentials", async () => {
    const answer = await server.get(path);
    expect([answer.status, answer.json?.code]).toEqual([401, "unauthorized"]);
    expect(answer.headers.get("www-authenticate")).toBe('Basic realm="gradient"');
    for (const call of [basic("dead"), basic(bob), { token: bob }, basic("GRADx")]) {
      expect((await server.call("GET", path, call)).status).toBe(401);
    }
  });

  test("takes a session's token or an API key as the password", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"] });
    for (const call of [
      basic(alice),
      basic(key),
      { token: alice },
      { headers: { cookie: `jwt_token=${alice}` } },
    ]) {
      expect((await server.call("GET", path, call)).status).toBe(200);
    }
    const nar = await server.call("GET", `/cache/closed/nar/${fileHash}.nar.zst`, basic(alice));
    expect(nar.status).toBe(200);
    expect((await server.get(`/cache/closed/nar/${fileHash}.nar.zst`)).status).toBe(401);
  });

  test("is never served from memory", async () => {
    expect((await server.call("GET", path, basic(alice))).status).toBe(200);
    expect((await server.get(path)).status).toBe(401);
  });

  test("lets in keys that are pinned to it and may read, and no others", async () => {
    const reader = await server.key(alice, {
      permissions: ["viewCache", "readStore"],
      cache: "closed",
    });
    const viewer = await server.key(alice, { permissions: ["viewCache"], cache: "closed" });
    const elsewhere = await server.key(alice, {
      permissions: ["viewCache", "readStore"],
      cache: "open",
    });
    expect((await server.call("GET", path, basic(reader))).status).toBe(200);
    expect((await server.call("GET", path, basic(viewer))).status).toBe(401);
    expect((await server.call("GET", path, basic(elsewhere))).status).toBe(401);
  });

  test("refuses a key from a wrong address as such", async () => {
    const key = await server.key(alice, { permissions: ["viewOrg"], allowed_ips: ["192.0.2.1"] });
    const answer = await server.call("GET", path, basic(key));
    expect([answer.status, answer.json?.code]).toEqual([403, "forbidden_source_ip"]);
  });
});

test("a cache that is switched off answers 400 to everything", async () => {
  for (const path of [
    "nix-cache-info",
    `${HASH}.narinfo`,
    `nar/${fileHash}.nar.zst`,
    `log/${BASE}.drv`,
  ]) {
    const answer = await server.get(`/cache/off/${path}`);
    expect([answer.status, answer.json?.code]).toEqual([400, "bad_request"]);
  }
});

describe("the log of a derivation", () => {
  test("is shown by a cache that holds what it made, and by no other", async () => {
    let isBroken = false;
    let isRunning = false;
    await using farm = await openTestServer({
      logs: {
        text: async function* (attempt) {
          if (isBroken) throw new Error("bad disk");
          yield* ["log of ", `${attempt}\n`];
        },
        size: () => Promise.resolve(0),
        follow: async function* (attempt, offset) {
          yield `log of ${attempt} from ${offset}, `;
          if (isRunning) await new Promise(() => undefined);
          yield "to its end\n";
        },
      },
    });
    const token = await farm.user("alice");
    const db = farm.services.database.kysely;
    await farm.put("orgs", token, { name: "acme", display_name: "Acme" });
    const { id: organizationId } = (await farm.get("orgs/acme", token)).message;
    const project = { name: "p", display_name: "P", repository: "https://x.yy/z", wildcard: "*" };
    const projectId = String((await farm.put("projects/acme", token, project)).message);
    const seed = await seedEvaluation(db, { organizationId, projectId, userId: null });
    const cacheId = String(
      (await farm.put("caches", token, { name: "open", display_name: "O", public: true })).message,
    );
    const path = `/cache/open/log/${seed.base.drvPath}`;
    expect((await farm.get(path)).status).toBe(404);
    await farm.post("orgs/acme/subscribe/open", token);
    expect((await farm.get(path)).status).toBe(404);
    await db
      .insertInto("nar_objects")
      .values({
        nar_hash: narHash,
        nar_size: 1,
        file_hash: fileHash,
        file_size: 1,
        compression: "zstd",
        created_at: 1,
      })
      .execute();
    const output = seed.base.drvPath.replace(/\.drv$/, "");
    await db
      .insertInto("cache_paths")
      .values({
        cache_id: cacheId,
        hash_part: output.slice(0, 32),
        path: output,
        nar_hash: narHash,
        references_json: "[]",
        signatures_json: "[]",
        created_at: 1,
        fetch_count: 0,
      })
      .execute();
    const answer = await farm.get(path);
    expect([answer.status, answer.text]).toEqual([200, `log of ${seed.base.attempt}\n`]);
    expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(answer.headers.get("x-cache")).toBe("HIT");
    const followed = await farm.get(`${path}?follow`);
    expect(followed.text).toBe(`log of ${seed.base.attempt} from 0, to its end\n`);
    expect(followed.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    isRunning = true;
    const head = await fetch(`${farm.url}${path}?follow`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    isBroken = true;
    const broken = await farm.get(path);
    expect([broken.status, broken.json?.code]).toEqual([500, "internal"]);
    expect(broken.headers.get("x-cache")).toBeNull();
    isBroken = false;
    expect((await farm.get(`/cache/open/log/${seed.lib.drvPath}`)).status).toBe(404);
    expect((await farm.get("/cache/open/log/nonsense")).status).toBe(400);
  });
});
