import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { UnprocessableError } from "../errors.ts";
import { decompress } from "./compression.ts";
import { unpackInThread } from "./unpack-in-thread.ts";

const MEGABYTE = 1024 * 1024;
const isBuilt = existsSync(new URL("../../dist/intake/unpack-thread.js", import.meta.url));

/** In pieces as a socket gives them. */
async function* sent(bytes: Buffer, pieceBytes = 65_521): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function hashOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of source) hash.update(piece);
  return hash.digest("hex");
}

const plain = Buffer.concat([randomBytes(5 * MEGABYTE), Buffer.alloc(20 * MEGABYTE, "text ")]);
const packed = compress(plain);
const plainHash = createHash("sha256").update(plain).digest("hex");

describe.skipIf(!isBuilt)("a file that a thread unpacks", () => {
  test.each([1009, 65_521, 3 * MEGABYTE])(
    "has the bytes that were packed, sent in pieces of %s bytes",
    async (pieceBytes) => {
      expect(await hashOf(unpackInThread(sent(packed, pieceBytes)))).toBe(plainHash);
    },
  );

  test("is unpacked in the same way when it is large, and when it has several frames", async () => {
    const twice = Buffer.concat([packed, packed]);
    const expected = createHash("sha256").update(plain).update(plain).digest("hex");
    expect(await hashOf(decompress("zstd", sent(twice)))).toBe(expected);
  });

  test("may be empty", async () => {
    const pieces = [];
    for await (const piece of unpackInThread(sent(Buffer.alloc(0)))) pieces.push(piece);
    expect(pieces).toEqual([]);
  });

  test.each([
    ["is damaged", () => Buffer.concat([packed.subarray(0, 4 * MEGABYTE), randomBytes(MEGABYTE)])],
    ["ends too early", () => packed.subarray(0, -4)],
    [
      "goes on behind its end with something else",
      () => Buffer.concat([packed, Buffer.from("x".repeat(100))]),
    ],
  ])("is refused when it %s", async (_what, bytes) => {
    const failure = await hashOf(unpackInThread(sent(bytes()))).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnprocessableError);
    expect(failure).toMatchObject({ code: "bad_zstd" });
  });

  test("fails with what its source threw", async () => {
    const broken = new Error("the sender is gone");
    async function* source() {
      yield packed.subarray(0, 2 * MEGABYTE);
      throw broken;
    }
    await expect(hashOf(unpackInThread(source()))).rejects.toBe(broken);
  });

  test("ends its source when it is not read to its end, however much there would be", async () => {
    const bomb = compress(Buffer.alloc(64 * MEGABYTE));
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    async function* source() {
      try {
        for (;;) yield bomb;
      } finally {
        end();
      }
    }
    for await (const piece of unpackInThread(source())) {
      expect(piece.length).toBeLessThanOrEqual(MEGABYTE);
      break;
    }
    await ended;
  });

  test("does not wait for a sender that is silent when it is not read to its end", async () => {
    async function* source() {
      yield packed.subarray(0, 2 * MEGABYTE);
      await new Promise(() => undefined);
    }
    for await (const piece of unpackInThread(source())) {
      expect(plain.subarray(0, piece.length).equals(piece)).toBe(true);
      break;
    }
  });
});
