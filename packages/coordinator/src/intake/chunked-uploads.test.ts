import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BadRequestError, PayloadTooLargeError } from "../errors.ts";
import { StagedFiles } from "../storage/staged-files.ts";
import { ChunkedUploads } from "./chunked-uploads.ts";

const MAX_BYTES = 10;
const upload = { owner: "somebody", name: "one" };

let root: string;
let files: StagedFiles;
let uploads: ChunkedUploads;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "chunked-uploads-"));
  files = await StagedFiles.open(root);
  uploads = new ChunkedUploads(files, () => (bytes, otherBytes) => {
    if (bytes + otherBytes > MAX_BYTES) throw new PayloadTooLargeError("too much");
  });
});
afterEach(() => rm(root, { recursive: true }));

async function* body(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

const named = (name: string) => ({ ...upload, name });
const never = () => false;
const contents = (name = "one") =>
  uploads.finish(named(name), async (file) => (await buffer(file.read())).toString(), never);

test("a file begins at 0, goes on at its length, and takes nothing at any other place", async () => {
  expect(await uploads.take(upload, 3, body("abc"))).toBe(0);
  expect(await uploads.take(upload, 0, body("abc"))).toBe(3);
  expect(await uploads.take(upload, 5, body("xyz"))).toBe(3);
  expect(await uploads.take(upload, 3, body("de"))).toBe(5);
  expect(await uploads.take(upload, 0, body("fgh"))).toBe(3);
  expect(await contents()).toBe("fgh");
  expect(await contents()).toBeNull();
});

describe("all that an owner has not finished", () => {
  test("counts together: of a file that is too much nothing stays, and its body is read", async () => {
    await uploads.take(upload, 0, body("abcd"));
    const sent = body("12345", "67", "89");
    await expect(uploads.take(named("two"), 0, sent)).rejects.toThrow("too much");
    expect(await sent.next()).toEqual({ done: true, value: undefined });
    expect(files.bytesOf("somebody")).toBe(4);
    expect(await uploads.take({ owner: "another", name: "two" }, 0, body("1234567"))).toBe(7);
  });

  test("counts while it comes: of two that fit only alone one is refused", async () => {
    const both = ["two", "three"].map((name) =>
      uploads.take(named(name), 0, body("12", "34", "56", "78")),
    );
    const results = await Promise.allSettled(both);
    expect(results.map(({ status }) => status).toSorted()).toContain("rejected");
    expect(files.bytesOf("somebody")).toBeLessThanOrEqual(MAX_BYTES);
  });

  test("is given up by an empty chunk at offset 0", async () => {
    await uploads.take(upload, 0, body("abcdefgh"));
    expect(await uploads.take(upload, 0, body())).toBe(0);
    expect(await uploads.take(named("two"), 0, body("abcdefgh"))).toBe(8);
  });

  test("is a bounded number of files", async () => {
    const many = new ChunkedUploads(files, () => () => undefined);
    for (let n = 0; n < 256; n += 1) await many.take(named(String(n)), 0, body("x"));
    const refused = many.take(named("more"), 0, body("x"));
    await expect(refused).rejects.toMatchObject({ status: 409, code: "too_many_uploads" });
    expect(await many.take(named("7"), 1, body("y"))).toBe(2);
    await many.finish(named("7"), () => Promise.resolve(true), never);
    expect(await many.take(named("more"), 0, body("x"))).toBe(1);
  });
});

test("what broke off can go on", async () => {
  const breaksOff = (async function* () {
    yield Buffer.from("abc");
    throw new BadRequestError("the connection broke");
  })();
  await expect(uploads.take(upload, 0, breaksOff)).rejects.toThrow("the connection broke");
  expect(await uploads.take(upload, 3, body("d"))).toBe(4);
});

test("a file counts until it is finished, and stays unless it was refused", async () => {
  await uploads.take(upload, 0, body("abc"));
  const failing = (error: Error) =>
    uploads.finish(
      upload,
      async ({ size }) => {
        expect([size, files.bytesOf("somebody")]).toEqual([3, 3]);
        throw error;
      },
      (failure) => failure instanceof BadRequestError,
    );
  await expect(failing(new Error("not now"))).rejects.toThrow("not now");
  expect(files.bytesOf("somebody")).toBe(3);
  await expect(failing(new BadRequestError("wrong"))).rejects.toThrow("wrong");
  expect(files.bytesOf("somebody")).toBe(0);
});

test("what broke off counts after a restart, and a file of somebody else does not keep it from being opened", async () => {
  await uploads.take(upload, 0, body("abc"));
  await writeFile(join(root, "stray"), "not ours");
  const reopened = await StagedFiles.open(root);
  expect([reopened.bytesOf("somebody"), reopened.bytes]).toEqual([3, 3]);
});
