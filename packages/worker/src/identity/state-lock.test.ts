import { once } from "node:events";
import { readdir, rename } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { lockStateDirectory } from "./state-lock.ts";

test("a second worker on the same state directory is refused, until the first has ended", async () => {
  const directory = join(await temporaryDirectory(), "state");
  const lock = await lockStateDirectory(directory);
  await expect(lockStateDirectory(directory)).rejects.toThrow("another worker runs");
  await lock[Symbol.asyncDispose]();
  await (await lockStateDirectory(directory))[Symbol.asyncDispose]();
  expect(await readdir(directory)).toEqual([]);
});

test("the lock of a worker that was killed is no lock", async () => {
  const directory = await temporaryDirectory();
  // A socket that nobody listens on any more, as a killed process leaves it.
  const server = createServer().listen(join(directory, "living"));
  await once(server, "listening");
  await rename(join(directory, "living"), join(directory, "lock"));
  server.close();
  expect(await readdir(directory)).toEqual(["lock"]);
  await (await lockStateDirectory(directory))[Symbol.asyncDispose]();
});

test("a state directory that cannot hold it is the operator's mistake", async () => {
  await expect(lockStateDirectory(`/${"x".repeat(120)}`)).rejects.toBeInstanceOf(UserError);
  await expect(lockStateDirectory("/dev/null/state")).rejects.toBeInstanceOf(UserError);
  // The kernel makes none there, and says that there is none above it, though there is.
  await expect(lockStateDirectory("/proc/no/state")).rejects.toThrow("cannot use /proc/no/state");
});
