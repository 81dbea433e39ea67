import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StagedFiles } from "./staged-files.ts";

const NAME = "a".repeat(64);
const OTHER = "b".repeat(64);

let root: string;
let files: StagedFiles;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "staged-files-"));
  files = await StagedFiles.open(root);
});
afterEach(() => rm(root, { recursive: true }));

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function* breakingOff(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
  throw new Error("the connection broke");
}

test("a file goes on behind what is there, and what came before a failure stays", async () => {
  const file = files.file("one", NAME);
  expect(file.size).toBe(0);
  await file.append(pieces("ab", "c"));
  await expect(file.append(breakingOff("de"))).rejects.toThrow("the connection broke");
  expect(file.size).toBe(5);
  expect((await buffer(file.read())).toString()).toBe("abcde");
  await file.remove();
  expect([file.size, files.countOf("one")]).toEqual([0, 0]);
});

test("what an owner's files take is known, after a restart, too", async () => {
  await files.file("one", NAME).append(pieces("abc"));
  await files.file("one", OTHER).append(pieces("de"));
  await files.file("two", NAME).append(pieces("f"));
  for (const each of [files, await StagedFiles.open(root)]) {
    expect([each.bytesOf("one"), each.bytesOf("two"), each.bytesOf("three")]).toEqual([5, 1, 0]);
    expect([each.bytes, each.countOf("one")]).toEqual([6, 2]);
  }
});

test("a file without bytes is none", async () => {
  await files.file("one", NAME).append(pieces());
  expect(files.countOf("one")).toBe(0);
  expect(await readdir(root)).toEqual([]);
});

test("files go by their age, with what they were counted for", async () => {
  await files.file("one", NAME).append(pieces("abc"));
  await files.removeBefore(Date.now() - 60_000);
  expect(files.bytesOf("one")).toBe(3);
  await files.removeBefore(Date.now() + 60_000);
  expect(files.bytesOf("one")).toBe(0);
  expect(await readdir(join(root, "one"))).toEqual([]);
});

test("nothing but ids and hashes become parts of a path", () => {
  expect(() => files.file("../keys", NAME)).toThrow("is no id");
  expect(() => files.file("one", "../escape")).toThrow("is no name of an upload");
});
