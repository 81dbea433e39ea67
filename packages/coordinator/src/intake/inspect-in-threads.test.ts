import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { singleFileNar } from "@gradient/protocol";
import { describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { UnprocessableError } from "../errors.ts";
import { inspectInThreads } from "./inspect-in-threads.ts";
import { NarInspection, type InspectedNar } from "./nar-inspection.ts";

const MEGABYTE = 1024 * 1024;
const isBuilt = existsSync(new URL("../../dist/intake/inspect-thread.js", import.meta.url));

/** In pieces as a socket gives them. */
async function* sent(bytes: Buffer, pieceBytes = 65_521): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function inspected(bytes: Buffer): InspectedNar {
  const inspection = new NarInspection(bytes.length);
  inspection.write(bytes);
  return inspection.finish();
}

const HASH_PART = "0123456789abcdfghijklmnpqrsvwxyz";
const nar = singleFileNar(
  Buffer.concat([
    randomBytes(5 * MEGABYTE),
    Buffer.from(HASH_PART),
    Buffer.alloc(20 * MEGABYTE, "text "),
  ]),
);
const packed = compress(nar);

describe.skipIf(!isBuilt)("a NAR that threads look at", () => {
  test.each([1009, 65_521, 3 * MEGABYTE])(
    "is what it is when it is looked at here, sent in pieces of %s bytes",
    async (pieceBytes) => {
      const found = await inspectInThreads(sent(packed, pieceBytes), nar.length);
      expect(found).toEqual(inspected(nar));
      expect(found.foundHashes).toContain(HASH_PART);
    },
  );

  test("may come in several frames", async () => {
    const [first, second] = [nar.subarray(0, 3 * MEGABYTE), nar.subarray(3 * MEGABYTE)];
    const frames = Buffer.concat([compress(first), compress(second)]);
    expect(await inspectInThreads(sent(frames), nar.length)).toEqual(inspected(nar));
  });

  test.each([
    ["is damaged", () => Buffer.concat([packed.subarray(0, 4 * MEGABYTE), randomBytes(MEGABYTE)])],
    ["ends too early", () => packed.subarray(0, -4)],
    [
      "goes on behind its end with something else",
      () => Buffer.concat([packed, Buffer.from("x".repeat(100))]),
    ],
  ])("is refused when its file %s", async (_what, bytes) => {
    const failure = await inspectInThreads(sent(bytes()), nar.length).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(UnprocessableError);
    expect(failure).toMatchObject({ code: "bad_zstd" });
  });

  test.each([
    ["nothing", () => Buffer.alloc(0), "bad_nar"],
    ["something else", () => compress(randomBytes(MEGABYTE)), "bad_nar"],
    ["a part of one", () => compress(nar.subarray(0, -8)), "bad_nar"],
    ["something behind it", () => compress(Buffer.concat([nar, nar])), "nar_size_mismatch"],
  ])("is refused when there is %s in its place", async (_what, bytes, code) => {
    await expect(inspectInThreads(sent(bytes()), nar.length)).rejects.toMatchObject({
      status: 422,
      code,
    });
  });

  test("is refused for what it is, also when its file is damaged behind that", async () => {
    const bad = Buffer.concat([compress(Buffer.alloc(MEGABYTE)), randomBytes(MEGABYTE)]);
    for (let n = 0; n < 3; n++) {
      await expect(inspectInThreads(sent(bad), nar.length)).rejects.toMatchObject({
        code: "bad_nar",
      });
    }
  });

  test("fails with what its source threw", async () => {
    const broken = new Error("the sender is gone");
    async function* source() {
      yield packed.subarray(0, 2 * MEGABYTE);
      throw broken;
    }
    await expect(inspectInThreads(source(), nar.length)).rejects.toBe(broken);
  });

  test("ends its source when it is refused, however much there would be", async () => {
    const bomb = compress(Buffer.alloc(64 * MEGABYTE));
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    async function* source() {
      try {
        yield compress(nar.subarray(0, MEGABYTE));
        for (;;) yield bomb;
      } finally {
        end();
      }
    }
    await expect(inspectInThreads(source(), 128 * MEGABYTE)).rejects.toMatchObject({
      status: 422,
    });
    await ended;
  });

  test("does not wait for a sender that is silent when it is refused", async () => {
    async function* source() {
      yield compress(Buffer.alloc(MEGABYTE));
      yield compress(randomBytes(MEGABYTE));
      await new Promise(() => undefined);
    }
    await expect(inspectInThreads(source(), nar.length)).rejects.toMatchObject({ code: "bad_nar" });
  });
});
