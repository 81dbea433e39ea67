import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { PromptReads } from "./prompt-reads.ts";

async function fileOf(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "prompt-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, "file");
  await writeFile(file, text);
  return file;
}

test("a small file is read at once, up to the size that is asked for", async () => {
  const file = await fileOf("twelve bytes");
  const reads = new PromptReads();
  expect(String(reads.read(file, 12))).toBe("twelve bytes");
  expect(String(reads.read(file, 6))).toBe("twelve");
  expect(String(reads.read(file))).toBe("twelve bytes");
  expect(reads.read(file, 13)).toBeNull();
  expect(reads.read(`${file}-not`, 12)).toBeNull();
  expect(reads.read(file, 300_000)).toBeNull();
  await truncate(file, 300_000);
  expect(reads.read(file)).toBeNull();
});

test("a part of an open file is read at once, as far as there is one", async () => {
  await using file = await open(await fileOf("twelve bytes"));
  const reads = new PromptReads();
  const buffer = Buffer.alloc(8);
  expect(reads.readPart(file.fd, buffer, 0)).toBe(8);
  expect(String(buffer)).toBe("twelve b");
  expect(reads.readPart(file.fd, buffer, 8)).toBe(4);
  expect(String(buffer.subarray(0, 4))).toBe("ytes");
  expect(reads.readPart(file.fd, buffer, 12)).toBe(0);
  expect(reads.readPart(-1, buffer, 0)).toBeNull();
});

test("where the disk is slow nobody is held up for long", async () => {
  const file = await fileOf("twelve bytes");
  let now = 0;
  let readMs = 0;
  // The clock is looked at before and after each read.
  const reads = new PromptReads(() => (now += readMs));
  const isRead = () => reads.read(file, 12) !== null;
  readMs = 0.2;
  for (let n = 0; n < 1000; n += 1) expect(isRead()).toBe(true);
  readMs = 10;
  expect([isRead(), isRead(), isRead(), isRead()]).toEqual([true, true, true, false]);
  await using opened = await open(file);
  expect(reads.readPart(opened.fd, Buffer.alloc(12), 0)).toBeNull();
  now += 10_000;
  expect(isRead()).toBe(true);
});
