import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { encodeNix32 } from "@gradient/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { UnavailableError, UserError } from "../errors.ts";
import { createLogger, type Logger } from "../logger.ts";
import { S3Nars } from "./s3-nars.ts";
import { TEST_CREDENTIALS, TestS3 } from "./s3-server.test-support.ts";

const hashOf = (bytes: Uint8Array) => encodeNix32(createHash("sha256").update(bytes).digest());
const BYTES = randomBytes(3_000_000);
const HASH = hashOf(BYTES);
const TIMES = { connectMs: 2000, answerMs: 400, silenceMs: 400, pauseMs: 1, attempts: 3 };
const logger = createLogger("silent");

let s3: TestS3;
let dataDir: string;
let nars: S3Nars;
let round = 0;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  s3 = await TestS3.start();
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "s3-nars-"));
  round += 1;
  nars = await openNars();
  s3.requests.length = 0;
});
afterEach(async () => {
  s3.fault = () => null;
  await nars[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true });
});

function openNars(prefix = `farm-${round}/`, log: Logger = logger): Promise<S3Nars> {
  return S3Nars.open({ dataDir, location: s3.location(prefix), logger: log, times: TIMES });
}

async function keep(bytes: Uint8Array, narHash = hashOf(bytes)): Promise<void> {
  await using draft = await nars.draft();
  await draft.write(bytes);
  await draft.keep(narHash);
}

const read = async () => buffer(await nars.read(HASH));

test("objects lie below the prefix, named as the files of a disk are, and are signed for", async () => {
  await keep(BYTES);
  const put = s3.requests.find(({ method }) => method === "PUT");
  expect(put?.url.split("?")[0]).toBe(
    `/nars/farm-${round}/nar/${HASH.slice(0, 2)}/${HASH}.nar.zst`,
  );
  expect(put?.headers["if-none-match"]).toBe("*");
  expect(put?.headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=S3RVER\/\d{8}\/us-east-1/,
  );
  await using others = await openNars("another/");
  expect(await others.size(HASH)).toBeNull();
});

test("a large one travels in parts, and its file on this machine is removed", async () => {
  const large = randomBytes(12 * 1024 ** 2);
  await keep(large);
  // One that was slow is sent again.
  const parts = s3.requests.flatMap(({ url }) => /partNumber=\d+/.exec(url) ?? []);
  expect(new Set(parts).size).toBe(3);
  expect((await buffer(await nars.read(hashOf(large)))).equals(large)).toBe(true);
  expect(await readdir(join(dataDir, "nar/drafts"))).toEqual([]);
});

test.each([500, 503])("a store that answers %d once is asked again", async (status) => {
  let failures = 1;
  s3.fault = () => (failures-- > 0 ? { kind: "status", status } : null);
  await keep(BYTES);
  failures = 1;
  expect((await read()).equals(BYTES)).toBe(true);
});

test("an outage is unavailable and never a miss, whatever is asked", async () => {
  await keep(BYTES);
  s3.fault = () => ({ kind: "status", status: 503 });
  await expect(nars.read(HASH)).rejects.toThrow(UnavailableError);
  await expect(nars.size(HASH)).rejects.toThrow(UnavailableError);
  await expect(nars.remove(HASH)).rejects.toThrow(UnavailableError);
  await expect(nars.hashes().next()).rejects.toThrow(UnavailableError);
  await expect(keep(randomBytes(10))).rejects.toThrow(UnavailableError);
  const small = randomBytes(10);
  const stored = nars.store([{ narHash: hashOf(small), bytes: small }]);
  await expect(stored).rejects.toThrow(UnavailableError);
});

test.each([403, 404])("%d without a word about the object is no miss either", async (status) => {
  s3.fault = () => ({ kind: "status", status });
  await expect(nars.read(HASH)).rejects.toThrow(UnavailableError);
  await expect(nars.size(HASH)).rejects.toThrow(UnavailableError);
});

test("a store that says nothing is given up", async () => {
  s3.fault = () => ({ kind: "silence" });
  await expect(nars.read(HASH)).rejects.toThrow(UnavailableError);
  expect(s3.requests).toHaveLength(TIMES.attempts);
});

test.each(["breaks-after", "stalls-after"] as const)(
  "a download that %s some bytes goes on behind them",
  async (kind) => {
    await keep(BYTES);
    s3.requests.length = 0;
    s3.fault = () => (s3.requests.length < 3 ? { kind, bytes: 1_000_000 } : null);
    expect((await read()).equals(BYTES)).toBe(true);
    const ranges = s3.requests.map(({ headers }) => headers.range);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[2]).toMatch(/^bytes=[1-9]\d*-2999999$/);
  },
);

test("a download that never brings anything fails", async () => {
  await keep(BYTES);
  s3.fault = ({ method }) => (method === "GET" ? { kind: "breaks-after", bytes: 0 } : null);
  await expect(read()).rejects.toThrow(UnavailableError);
});

test("what was staged takes the place of what a crash left", async () => {
  await keep(randomBytes(500), HASH);
  const { staging } = nars;
  expect(await staging.open("upload")).toBeNull();
  const address = await staging.address("upload", BYTES.length);
  const headers = { "if-none-match": "*" };
  const body = new Uint8Array(BYTES);
  expect((await fetch(address, { method: "PUT", headers, body })).status).toBe(200);
  const staged = await staging.open("upload");
  await staged?.keep(HASH);
  await staged?.remove();
  expect((await read()).equals(BYTES)).toBe(true);
  expect(await staging.open("upload")).toBeNull();
});

test("an object that is replaced while it is read is not mixed with the other one", async () => {
  await keep(BYTES);
  s3.requests.length = 0;
  const breaking = await openBroken();
  s3.fault = () => null;
  await keep(randomBytes(3_000_000), HASH);
  await expect(buffer(breaking)).rejects.toThrow(UnavailableError);
});

async function openBroken() {
  s3.fault = () => ({ kind: "breaks-after", bytes: 10 });
  return nars.read(HASH);
}

test("of two that write at the same time, one has to try again", async () => {
  await keep(BYTES);
  s3.fault = ({ method }) => (method === "PUT" ? { kind: "status", status: 412 } : null);
  await expect(keep(BYTES)).rejects.toThrow("another coordinator");
});

test("an address lets anybody download for a while, ranges as well", async () => {
  await keep(BYTES);
  const place = await nars.place(HASH);
  if (place.kind !== "url") throw new Error("no address");
  const url = new URL(place.url);
  expect(url.searchParams.get("X-Amz-Expires")).toBe("900");
  expect(url.searchParams.get("X-Amz-Signature")).toMatch(/^[0-9a-f]{64}$/);
  expect(place.url).not.toContain(dataDir);
  const answer = await fetch(place.url, { headers: { range: "bytes=5-9" } });
  expect(answer.status).toBe(206);
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES.subarray(5, 10))).toBe(true);
});

test("a bucket that is not there is told at start, a store that is away is waited for", async () => {
  const location = s3.location("", "absent");
  await expect(S3Nars.open({ dataDir, location, logger, times: TIMES })).rejects.toThrow(UserError);
  await expect(S3Nars.open({ dataDir, location, logger, times: TIMES })).rejects.toThrow(
    'bucket "absent"',
  );
  s3.fault = () => ({ kind: "status", status: 503 });
  await using late = await openNars();
  s3.fault = () => null;
  expect(await late.size(HASH)).toBeNull();
});
