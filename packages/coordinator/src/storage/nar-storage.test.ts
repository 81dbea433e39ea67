import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { encodeNix32 } from "@gradient/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { NotFoundError } from "../errors.ts";
import { createLogger } from "../logger.ts";
import { NarFiles } from "./nar-files.ts";
import type { NarStorage } from "./nar-storage.ts";
import { S3Nars } from "./s3-nars.ts";
import { TEST_CREDENTIALS, TestS3 } from "./s3-server.test-support.ts";

/** One suite over every storage: what is promised does not depend on where the bytes lie. */
const storages: Record<string, (dataDir: string) => Promise<NarStorage>> = {
  "this machine's disk": (dataDir) => NarFiles.open(dataDir),
  "an S3-compatible store": (dataDir) =>
    S3Nars.open({
      dataDir,
      location: s3.location(`${basename(dataDir)}/`),
      logger: createLogger("silent"),
    }),
};

let s3: TestS3;

beforeAll(async () => {
  for (const [name, value] of Object.entries(TEST_CREDENTIALS)) vi.stubEnv(name, value);
  s3 = await TestS3.start();
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

const hashOf = (bytes: Uint8Array) => encodeNix32(createHash("sha256").update(bytes).digest());
/** Larger than a piece of anything on the way. */
const LARGE = randomBytes(20 * 1024 ** 2);
const SMALL = randomBytes(1000);

describe.each(Object.entries(storages))("NARs on %s", (_name, open) => {
  let dataDir: string;
  let storage: NarStorage;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "nar-storage-"));
    storage = await open(dataDir);
  });
  afterEach(async () => {
    await storage[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true });
  });

  /** Keeps the bytes in two pieces. */
  async function keep(bytes: Uint8Array): Promise<string> {
    const narHash = hashOf(bytes);
    await using draft = await storage.draft();
    await draft.write(bytes.subarray(0, 300));
    await draft.write(bytes.subarray(300));
    await draft.keep(narHash);
    return narHash;
  }

  const read = async (narHash: string, range?: { start: number; end: number }) =>
    buffer(await storage.read(narHash, range));

  async function allHashes(): Promise<string[]> {
    const found: string[] = [];
    for await (const hashes of storage.hashes()) found.push(...hashes);
    return found.toSorted();
  }

  test.each([
    ["small", SMALL],
    ["large", LARGE],
  ])("a %s one that was kept is read as it was written, whole and in parts", async (_, bytes) => {
    const narHash = await keep(bytes);
    expect((await read(narHash)).equals(bytes)).toBe(true);
    expect((await read(narHash, { start: 10, end: 11 })).equals(bytes.subarray(10, 11))).toBe(true);
    const { length } = bytes;
    const tail = { start: length - 7, end: length };
    expect((await read(narHash, tail)).equals(bytes.subarray(length - 7))).toBe(true);
    expect(await storage.size(narHash)).toBe(length);
  });

  test("one that is not there is missing, and removing it does nothing", async () => {
    const narHash = hashOf(SMALL);
    await expect(storage.read(narHash)).rejects.toThrow(NotFoundError);
    expect(await storage.size(narHash)).toBeNull();
    await expect(storage.remove(narHash)).resolves.toBeUndefined();
  });

  test("a draft that was not kept leaves nothing", async () => {
    {
      await using draft = await storage.draft();
      await draft.write(SMALL);
    }
    expect(await allHashes()).toEqual([]);
  });

  test("one that was removed is gone", async () => {
    const narHash = await keep(SMALL);
    await storage.remove(narHash);
    expect(await storage.size(narHash)).toBeNull();
    expect(await allHashes()).toEqual([]);
  });

  test("what a crash left without an object gives way to what was verified later", async () => {
    const narHash = await keep(SMALL);
    const better = randomBytes(500);
    {
      await using draft = await storage.draft();
      await draft.write(better);
      await draft.keep(narHash);
    }
    expect((await read(narHash)).equals(better)).toBe(true);
  });

  test("keeping the same bytes again changes nothing", async () => {
    const narHash = await keep(SMALL);
    await keep(SMALL);
    expect((await read(narHash)).equals(SMALL)).toBe(true);
    expect(await allHashes()).toEqual([narHash]);
  });

  test("many small ones are stored at once, and listed", async () => {
    const objects = Array.from({ length: 50 }, () => randomBytes(64)).map((bytes) => ({
      narHash: hashOf(bytes),
      bytes,
    }));
    await storage.store(objects);
    const hashes = objects.map(({ narHash }) => narHash);
    expect(await allHashes()).toEqual(hashes.toSorted());
    for (const { narHash, bytes } of objects) {
      expect((await read(narHash)).equals(bytes)).toBe(true);
    }
  });

  test("an upload that broke off goes on after a restart, for one only", async () => {
    {
      await using draft = await storage.draft();
      await draft.write(SMALL.subarray(0, 400));
      await draft.stage("upload-1");
    }
    await storage[Symbol.asyncDispose]();
    storage = await open(dataDir);
    expect(await storage.stagedBytes("upload-1")).toBe(400);
    const narHash = hashOf(SMALL);
    {
      await using draft = await storage.resume("upload-1");
      expect(await storage.resume("upload-1")).toBeNull();
      if (draft === null) throw new Error("nothing was staged");
      expect((await buffer(draft.read())).equals(SMALL.subarray(0, 400))).toBe(true);
      await draft.write(SMALL.subarray(400));
      await draft.keep(narHash);
    }
    expect((await read(narHash)).equals(SMALL)).toBe(true);
    expect(await storage.stagedBytes("upload-1")).toBe(0);
  });

  test("staged uploads are removed by their age", async () => {
    {
      await using draft = await storage.draft();
      await draft.write(SMALL);
      await draft.stage("upload-2");
    }
    await storage.removeStaged(Date.now() - 60_000);
    expect(await storage.stagedBytes("upload-2")).toBe(SMALL.length);
    await storage.removeStaged(Date.now() + 60_000);
    expect(await storage.stagedBytes("upload-2")).toBe(0);
  });

  test("nothing but a hash becomes a part of a path", async () => {
    await expect(storage.read("../../keys/jwt-secret")).rejects.toThrow("no NAR hash");
    await expect(storage.stagedBytes("../escape")).rejects.toThrow("no name of an upload");
  });
});
