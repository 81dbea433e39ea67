import { createHash, randomBytes } from "node:crypto";
import { encodeNix32, singleFileNar } from "@gradient/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compress } from "zstd-napi";
import { UnprocessableError } from "../errors.ts";
import { hasThreadEntry } from "../thread-entry.ts";
import { StoredFileInspector } from "./stored-file-inspector.ts";

const nar = singleFileNar(Buffer.concat([randomBytes(300_000), Buffer.alloc(2_000_000, "text ")]));
const packed = compress(nar);

/** In pieces as a disk gives them. */
async function* read(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function hash(bytes: Buffer): string {
  return encodeNix32(createHash("sha256").update(bytes).digest());
}

describe.skipIf(!hasThreadEntry("intake/stored-file-thread.js"))("a stored file", () => {
  let inspector: StoredFileInspector;
  beforeAll(() => {
    inspector = new StoredFileInspector();
  });
  afterAll(() => inspector[Symbol.asyncDispose]());

  const inspectWhole = () => inspector.inspect(read(packed), nar.length);
  const whole = { narHash: hash(nar), fileHash: hash(packed), fileSize: packed.length };

  test("is what its bytes say, one after the other", async () => {
    expect(await inspectWhole()).toEqual(whole);
    expect(await inspectWhole()).toEqual(whole);
  });

  test.each([
    ["is no zstd", randomBytes(200_000), "not zstd"],
    ["ends too early", packed.subarray(0, -4), "ends too early"],
    ["has a NAR that goes on", compress(Buffer.concat([nar, Buffer.from("more")])), "larger than"],
    ["is empty", Buffer.alloc(0), "NAR"],
  ])("that %s is refused, and the next one is inspected", async (_what, bytes, reason) => {
    const failure = await inspector.inspect(read(bytes), nar.length).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(UnprocessableError);
    expect(String(failure)).toContain(reason);
    expect(await inspectWhole()).toEqual(whole);
  });

  test("that cannot be read fails as its source does, and the next one is inspected", async () => {
    async function* broken(): AsyncGenerator<Buffer, void, undefined> {
      yield packed.subarray(0, 100_000);
      throw new Error("the sector is broken");
    }
    await expect(inspector.inspect(broken(), nar.length)).rejects.toThrow("the sector is broken");
    expect(await inspectWhole()).toEqual(whole);
  });
});
