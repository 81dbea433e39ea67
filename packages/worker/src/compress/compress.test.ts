import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dumpPath } from "@gradient/protocol";
import { compress, decompress } from "zstd-napi";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { NarPool } from "./nar-pool.ts";
import { compressSmallNar } from "./small-nar.ts";
import { decompressed, FrameCompressor } from "./zstd.ts";

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A tree of a few files, some of it compressible, and its NAR. */
async function makeTree(): Promise<{ path: string; nar: Buffer }> {
  const path = join(await temporaryDirectory(), "tree");
  await mkdir(join(path, "bin"), { recursive: true });
  await writeFile(join(path, "bin/tool"), randomBytes(700_000), { mode: 0o755 });
  await writeFile(join(path, "text"), "the same again and again\n".repeat(100_000));
  await symlink("bin/tool", join(path, "link"));
  return { path, nar: await collect(dumpPath(path)) };
}

describe("a compressor", () => {
  test("gives frames that come back as they were, one after the other", () => {
    const compressor = new FrameCompressor();
    for (const size of [1, 100, 1_000_000, 0, 300_000]) {
      const bytes = size % 3 === 0 ? randomBytes(size) : Buffer.alloc(size, "abc");
      const pieces = [bytes.subarray(0, size / 2), bytes.subarray(size / 2)];
      const frame = Buffer.concat([...compressor.compress(pieces, size)]);
      expect(decompress(frame).equals(bytes)).toBe(true);
    }
  });

  test("is not harmed by large frames that were given up in their middle", () => {
    const compressor = new FrameCompressor();
    const bytes = randomBytes(12_000_000);
    const pieces = Array.from({ length: 120 }, (_, at) =>
      bytes.subarray(at * 100_000, (at + 1) * 100_000),
    );
    for (let chunks = 40; chunks > 0; chunks -= 3) {
      const frame = compressor.compress(pieces, bytes.length);
      for (let at = 0; at < chunks; at++) frame.next();
      frame.return();
    }
    const frame = Buffer.concat([...compressor.compress(pieces, bytes.length)]);
    expect(decompress(frame).equals(bytes)).toBe(true);
  });

  test("refuses a source that does not have the size it should", () => {
    const compressor = new FrameCompressor();
    expect(() => [...compressor.compress([Buffer.alloc(10)], 11)]).toThrow("size");
    expect([...compressor.compress([Buffer.alloc(10)], 10)]).toHaveLength(1);
  });
});

describe("decompression", () => {
  test("gives what was compressed, however it is cut", async () => {
    const bytes = Buffer.concat([randomBytes(200_000), Buffer.alloc(500_000)]);
    const file = compress(bytes);
    for (const size of [1000, 65_536, file.length]) {
      expect((await collect(decompressed(inPieces(file, size)))).equals(bytes)).toBe(true);
    }
  });

  test("takes several frames in a row", async () => {
    const file = Buffer.concat([compress(Buffer.from("one ")), compress(Buffer.from("two"))]);
    expect((await collect(decompressed(inPieces(file, 7)))).toString()).toBe("one two");
  });

  test("does not unfold a bomb faster than it is taken", async () => {
    const bomb = compress(Buffer.alloc(100_000_000));
    expect(bomb.length).toBeLessThan(20_000);
    let largest = 0;
    for await (const chunk of decompressed(inPieces(bomb, bomb.length))) {
      largest = Math.max(largest, chunk.length);
    }
    expect(largest).toBe(128 * 1024);
  });

  test("refuses what is cut off and what is no zstd", async () => {
    const file = compress(randomBytes(10_000));
    const cut = file.subarray(0, file.length - 5);
    await expect(collect(decompressed(inPieces(cut, 1000)))).rejects.toThrow("middle of a frame");
    await expect(collect(decompressed(inPieces(Buffer.alloc(100), 10)))).rejects.toThrow("frame");
  });
});

describe("a small NAR", () => {
  test("is the tree's NAR", async () => {
    const { path, nar } = await makeTree();
    const file = compressSmallNar({ path, narSize: nar.length });
    expect(decompress(file).equals(nar)).toBe(true);
  });

  test("of another size than the store says is a damaged path", async () => {
    const { path, nar } = await makeTree();
    for (const narSize of [nar.length - 8, nar.length + 8]) {
      expect(() => compressSmallNar({ path, narSize })).toThrow("is damaged");
    }
  });
});

/** The threads run compiled code. */
const isBuilt = existsSync(new URL("../../dist/compress/nar-thread.js", import.meta.url));

describe.skipIf(!isBuilt)("a pool of threads", () => {
  function makePool(size: number): NarPool {
    const pool = new NarPool(size);
    onTestFinished(() => pool[Symbol.asyncDispose]());
    return pool;
  }

  test("gives the tree's NAR, compressed", async () => {
    const { path, nar } = await makeTree();
    const pool = makePool(1);
    for (let round = 0; round < 2; round++) {
      const file = await collect(pool.compress({ path, narSize: nar.length }));
      expect(decompress(file).equals(nar)).toBe(true);
      expect(file.length).toBeLessThan(nar.length / 3);
    }
  });

  test("lets jobs wait for a thread, and goes on after one that was given up", async () => {
    const { path, nar } = await makeTree();
    const pool = makePool(1);
    const givenUp = pool.compress({ path, narSize: nar.length });
    await givenUp.next();
    const next = collect(pool.compress({ path, narSize: nar.length }));
    await givenUp.return();
    expect(decompress(await next).equals(nar)).toBe(true);
  });

  test("does not run ahead of who takes the chunks", async () => {
    const path = join(await temporaryDirectory(), "file");
    const contents = randomBytes(20_000_000);
    await writeFile(path, contents);
    const narSize = (await collect(dumpPath(path))).length;
    const chunks = makePool(1).compress({ path, narSize });
    const first = await chunks.next();
    // Long enough for the thread to read everything, if it were allowed to: another one has done so.
    await collect(makePool(1).compress({ path, narSize }));
    const file = await open(path, "r+");
    await file.write("the end", contents.length - 7);
    await file.close();
    const rest = await collect(chunks);
    const nar = decompress(Buffer.concat([first.value ?? Buffer.alloc(0), rest]));
    expect(nar.includes("the end")).toBe(true);
    expect(nar).toHaveLength(narSize);
  });

  test("tells what cannot be read", async () => {
    const pool = makePool(1);
    const missing = pool.compress({ path: "/no/such/path", narSize: 1 });
    await expect(collect(missing)).rejects.toThrow("cannot make a NAR of /no/such/path: ENOENT");
    const { path, nar } = await makeTree();
    const wrong = pool.compress({ path, narSize: nar.length + 1 });
    await expect(collect(wrong)).rejects.toThrow(`cannot make a NAR of ${path}`);
  });
});
