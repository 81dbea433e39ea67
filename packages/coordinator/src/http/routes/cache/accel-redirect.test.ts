import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { encodeNix32 } from "@gradient/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestNginx } from "../../nginx.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { seedPath } from "./seed-path.test-support.ts";

const BYTES = randomBytes(700_000);
const FILE_HASH = encodeNix32(createHash("sha256").update(BYTES).digest());
const NAR_HASH = encodeNix32(createHash("sha256").update("nar").digest());
const PATH = `/nar/${FILE_HASH}.nar.zst`;
const ETAG = `"${FILE_HASH}"`;

let server: TestServer;
let nginx: TestNginx;
let alice: string;

beforeAll(async () => {
  server = await openTestServer({ env: { GRADIENT_ACCEL_REDIRECT: "/gradient-nars/" } });
  alice = await server.user("alice");
  for (const name of ["open", "closed"]) {
    await server.put("caches", alice, { name, display_name: name, public: name === "open" });
    await seedPath(server, name, { narHash: NAR_HASH, fileHash: FILE_HASH, size: BYTES.length });
  }
  const file = server.nars.file(NAR_HASH);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, BYTES);
  await chmod(server.dataDir, 0o755);
  nginx = await TestNginx.start(`
    location / { proxy_pass ${server.url}; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }
    location /gradient-nars/ { internal; alias ${server.dataDir}/nar/; etag off; add_header ETag $upstream_http_etag; }`);
});
afterAll(async () => {
  await nginx[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const ask = (
  path: string,
  init: { method?: string; headers?: Record<string, string> } = {},
): Promise<Response> => fetch(`${nginx.url}${path}`, init);

test("a proxy is told where the file lies, and sent no bytes", async () => {
  const answer = await server.get(`/cache/open${PATH}`);
  expect([answer.status, answer.text]).toEqual([200, ""]);
  expect(answer.headers.get("x-accel-redirect")).toBe(
    `/gradient-nars/${NAR_HASH.slice(0, 2)}/${NAR_HASH}.nar.zst`,
  );
});

test("nginx sends the file with our headers", async () => {
  const answer = await ask(`/cache/open${PATH}`);
  expect(answer.status).toBe(200);
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES)).toBe(true);
  const { headers } = answer;
  expect([headers.get("etag"), headers.get("content-type"), headers.get("cache-control")]).toEqual([
    ETAG,
    "application/x-nix-nar",
    "public, max-age=31536000, immutable",
  ]);
  expect(headers.get("x-accel-redirect")).toBeNull();
});

test("nginx answers HEAD, ranges and what is known already", async () => {
  const head = await ask(`/cache/open${PATH}`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, String(BYTES.length)]);
  const part = await ask(`/cache/open${PATH}`, { headers: { range: "bytes=1000-1999" } });
  expect([part.status, part.headers.get("content-range")]).toEqual([
    206,
    `bytes 1000-1999/${BYTES.length}`,
  ]);
  expect(Buffer.from(await part.arrayBuffer()).equals(BYTES.subarray(1000, 2000))).toBe(true);
  const beyond = await ask(`/cache/open${PATH}`, { headers: { range: "bytes=700000-" } });
  expect(beyond.status).toBe(416);
  const known = await ask(`/cache/open${PATH}`, { headers: { "if-none-match": ETAG } });
  expect([known.status, await known.text()]).toEqual([304, ""]);
});

test("nginx goes on with a download by our ETag, and begins anew by another", async () => {
  const range = "bytes=1000-1999";
  const same = await ask(`/cache/open${PATH}`, { headers: { range, "if-range": ETAG } });
  expect([same.status, (await same.arrayBuffer()).byteLength]).toEqual([206, 1000]);
  const other = await ask(`/cache/open${PATH}`, { headers: { range, "if-range": '"other"' } });
  expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, BYTES.length]);
});

test("who may read what, the coordinator decides", async () => {
  expect((await ask(`/cache/closed${PATH}`)).status).toBe(401);
  const authorization = `Basic ${Buffer.from(`any:${alice}`).toString("base64")}`;
  const allowed = await ask(`/cache/closed${PATH}`, { headers: { authorization } });
  expect([allowed.status, allowed.headers.get("cache-control")]).toEqual([
    200,
    "private, max-age=31536000, immutable",
  ]);
  const around = await ask(`/gradient-nars/${NAR_HASH.slice(0, 2)}/${NAR_HASH}.nar.zst`);
  expect(around.status).toBe(404);
});

test("downloads that nginx sends are counted", async () => {
  await server.services.lastUse.flush();
  const row = await server.services.database.kysely
    .selectFrom("cache_paths")
    .innerJoin("caches", "caches.id", "cache_paths.cache_id")
    .select("fetch_count")
    .where("caches.name", "=", "closed")
    .executeTakeFirstOrThrow();
  expect(row.fetch_count).toBe(1);
});

test("who is no trusted proxy gets the bytes", async () => {
  await using direct = await openTestServer({
    env: {
      GRADIENT_ACCEL_REDIRECT: "/gradient-nars/",
      GRADIENT_TRUSTED_PROXIES: "192.0.2.1/32",
    },
  });
  const bob = await direct.user("bob");
  await direct.put("caches", bob, { name: "open", display_name: "open", public: true });
  await seedPath(direct, "open", { narHash: NAR_HASH, fileHash: FILE_HASH, size: BYTES.length });
  const file = direct.nars.file(NAR_HASH);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, BYTES);
  const answer = await fetch(`${direct.url}/cache/open${PATH}`);
  expect(answer.headers.get("x-accel-redirect")).toBeNull();
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES)).toBe(true);
});
