import { link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runProcess } from "../process/run.ts";
import { TreeSize } from "./tree-size.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "gradient-size-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const never = new AbortController().signal;

test("counts what du counts: blocks, files with several names once, links as links", async () => {
  await mkdir(path.join(directory, "below/deeper"), { recursive: true });
  for (let index = 0; index < 50; index += 1) {
    await writeFile(path.join(directory, "below/deeper", `f${index}`), Buffer.alloc(index * 1000));
  }
  await link(path.join(directory, "below/deeper/f40"), path.join(directory, "again"));
  await symlink("/", path.join(directory, "everything"));
  const size = new TreeSize(never);
  await size.add(directory);
  const { stdout } = await runProcess({
    command: "du",
    args: ["-s", "--block-size=1", directory],
    env: { PATH: process.env["PATH"] ?? "" },
    timeoutMs: 10_000,
  });
  expect(size.bytes).toBe(Number(stdout.toString().split("\t")[0]));
});

test("what is not there is nothing, and files of the kernel hold nothing", async () => {
  const size = new TreeSize(never);
  await size.add(path.join(directory, "missing"));
  expect(size.bytes).toBe(0);
  const root = new TreeSize(never);
  await root.add("/proc/self/fdinfo");
  expect(root.bytes).toBe(0);
});

test("a look that nobody waits for any more ends", async () => {
  const stopped = new TreeSize(AbortSignal.abort());
  await mkdir(path.join(directory, "a/b/c"), { recursive: true });
  await writeFile(path.join(directory, "a/b/c/file"), Buffer.alloc(100_000));
  await stopped.add(directory);
  expect(stopped.bytes).toBeLessThan(100_000);
});
