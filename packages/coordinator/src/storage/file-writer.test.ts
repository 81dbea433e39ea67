import { randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { alignedBlock, isAligned } from "./aligned-block.ts";
import { FileWriter } from "./file-writer.ts";

const MEGABYTE = 1024 * 1024;

function block(bytes: Buffer): Uint8Array {
  const memory = alignedBlock(bytes.length);
  memory.set(bytes);
  return memory;
}

async function written(pieces: readonly Uint8Array[]): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "writer-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "file");
  const handle = await open(path, "wx");
  {
    await using writer = new FileWriter(path, handle);
    for (const piece of pieces) await writer.write(piece);
  }
  await handle.datasync();
  await handle.close();
  return readFile(path);
}

test("a file has what was written, large or small, in pages or not", async () => {
  const bytes = randomBytes(19 * MEGABYTE + 5000);
  const cuts = [
    0,
    1000,
    MEGABYTE,
    17 * MEGABYTE,
    17 * MEGABYTE + 8192,
    18 * MEGABYTE,
    18 * MEGABYTE + 10,
    19 * MEGABYTE,
  ];
  const pieces = cuts.map((from, n) => block(bytes.subarray(from, cuts[n + 1])));
  expect((await written(pieces)).equals(bytes)).toBe(true);
  expect((await written(pieces.map((piece) => Buffer.from(piece)))).equals(bytes)).toBe(true);
  expect((await written([])).length).toBe(0);
});

test("only whole pages of aligned memory, behind whole pages, go past the page cache", () => {
  const memory = alignedBlock(8192);
  expect(isAligned(memory, 4096)).toBe(true);
  expect(isAligned(memory.subarray(4096), 0)).toBe(true);
  expect(isAligned(memory, 1)).toBe(false);
  expect(isAligned(memory.subarray(1, 4097), 0)).toBe(false);
  expect(isAligned(memory.subarray(0, 4095), 0)).toBe(false);
  expect(isAligned(Buffer.alloc(8192), 0)).toBe(false);
});
