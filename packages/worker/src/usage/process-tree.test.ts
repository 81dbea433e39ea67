import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { mayLive, readActivity, readTimes } from "./process-tree.ts";

const startTicks = readTimes("/proc", process.pid)?.startTicks ?? 0;

test("a process is known by its start", () => {
  expect(startTicks).toBeGreaterThan(0);
  expect(mayLive("/proc", process.pid, startTicks)).toBe(true);
  expect(mayLive("/proc", process.pid, startTicks - 1)).toBe(false);
  expect(mayLive("/proc", 2 ** 22 + 1, startTicks)).toBe(false);
});

test("a process that has ended is dead, though nobody has asked how", async () => {
  const child = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill());
  const [line] = await once(child.stdout, "data");
  const pid = Number(String(line));
  await expect.poll(() => readTimes("/proc", pid)?.isZombie).toBe(true);
  const ended = readTimes("/proc", pid);
  expect(mayLive("/proc", pid, ended?.startTicks ?? 0)).toBe(false);
});

test("what a child of a process has read is told as activity", async () => {
  const parent = spawn("sh", ["-c", "cat; exit"], { stdio: ["pipe", "pipe", "ignore"] });
  onTestFinished(() => void parent.kill());
  const pid = parent.pid ?? 0;
  const echo = async (): Promise<string> => {
    parent.stdin.write("x");
    await once(parent.stdout, "data");
    return readActivity("/proc", pid);
  };
  expect(await echo()).not.toBe(await echo());
  parent.stdin.end();
  await once(parent, "exit");
  expect(readActivity("/proc", pid)).toBe("");
});

test("a process whose file cannot be read is not taken for dead", async () => {
  const procDirectory = await mkdtemp(path.join(tmpdir(), "gradient-proc-"));
  onTestFinished(() => rm(procDirectory, { recursive: true }));
  // A file that is there and gives an error, as every file does to a process that has too many open.
  await mkdir(path.join(procDirectory, "77", "stat"), { recursive: true });
  expect(mayLive(procDirectory, 77, 1)).toBe(true);
  expect(mayLive(procDirectory, 78, 1)).toBe(false);
});
