import { createHash, randomBytes } from "node:crypto";
import { encodeNix32 } from "@gradient/protocol";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createLogger } from "../../../logger.ts";
import type { NarStorage } from "../../../storage/nar-storage.ts";
import { S3Nars } from "../../../storage/s3-nars.ts";
import { TEST_CREDENTIALS, TestS3 } from "../../../storage/s3-server.test-support.ts";
import { openTestServer, type TestServer } from "../../server.test-support.ts";
import { seedPath } from "./seed-path.test-support.ts";

const BYTES = randomBytes(300_000);
const FILE_HASH = encodeNix32(createHash("sha256").update(BYTES).digest());
const NAR_HASH = encodeNix32(createHash("sha256").update("nar").digest());
const HASH_PART = "00000000000000000000000000000001";
const PATH = `/nar/${FILE_HASH}.nar.zst`;

let s3: TestS3;
let server: TestServer;
let alice: string;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  s3 = await TestS3.start();
  let storage: NarStorage | undefined;
  server = await openTestServer({
    // What a proxy could send by itself does not lie on this machine.
    env: { GRADIENT_ACCEL_REDIRECT: "/gradient-nars/" },
    storage: async (dataDir) => {
      storage = await S3Nars.open({
        dataDir,
        location: s3.location("farm/"),
        logger: createLogger("silent"),
        times: { pauseMs: 1, attempts: 2 },
      });
      return storage;
    },
  });
  await storage?.store([{ narHash: NAR_HASH, bytes: BYTES }]);
  alice = await server.user("alice");
  for (const name of ["open", "closed"]) {
    await server.put("caches", alice, { name, display_name: name, public: name === "open" });
    await seedPath(server, name, { narHash: NAR_HASH, fileHash: FILE_HASH, size: BYTES.length });
  }
});
afterEach(() => {
  s3.fault = () => null;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

test("a download is sent on to the store, by an address that is not kept", async () => {
  const answer = await server.get(`/cache/open${PATH}`);
  expect([answer.status, answer.text]).toEqual([302, ""]);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const location = new URL(answer.headers.get("location") ?? "");
  expect(location.origin).toBe(s3.url);
  expect(location.searchParams.get("response-content-type")).toBe("application/x-nix-nar");
});

test("who follows gets the bytes, whole and in part", async () => {
  const whole = await fetch(`${server.url}/cache/open${PATH}`);
  expect(Buffer.from(await whole.arrayBuffer()).equals(BYTES)).toBe(true);
  const headers = { range: "bytes=100-199" };
  const part = await fetch(`${server.url}/cache/open${PATH}`, { headers });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer()).equals(BYTES.subarray(100, 200))).toBe(true);
});

test("HEAD is answered here: the address holds for GET only", async () => {
  s3.requests.length = 0;
  const head = await server.call("HEAD", `/cache/open${PATH}`);
  expect([head.status, head.headers.get("content-length")]).toEqual([200, String(BYTES.length)]);
  expect(head.headers.get("etag")).toBe(`"${FILE_HASH}"`);
  expect(s3.requests).toEqual([]);
});

test("what a client has is not sent on", async () => {
  const headers = { "if-none-match": `"${FILE_HASH}"` };
  expect((await server.call("GET", `/cache/open${PATH}`, { headers })).status).toBe(304);
});

test("of a private cache only who may read it gets an address", async () => {
  const stranger = await server.get(`/cache/closed${PATH}`);
  expect([stranger.status, stranger.headers.get("location")]).toEqual([401, null]);
  expect((await server.get(`/cache/closed${PATH}`, alice)).status).toBe(302);
});

test("an outage is 503 and says no more than that; afterwards all is as before", async () => {
  const path = `/cache/open/serve/${HASH_PART}/file`;
  s3.fault = () => ({ kind: "status", status: 503 });
  const answer = await server.get(path);
  expect([answer.status, answer.json?.code]).toEqual([503, "service_unavailable"]);
  expect(answer.text).not.toContain("S3RVER");
  expect((await server.get(`/cache/open/${HASH_PART}.narinfo`)).status).toBe(200);
});
