import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { buildHookConfig } from "./build-hook.ts";

test("before 2.26 the hook is a program below the state directory", async () => {
  const directory = await temporaryDirectory();
  expect(await buildHookConfig("2.8.0", directory)).toEqual([
    `build-hook = ${directory}/build-hook`,
  ]);
  expect((await stat(join(directory, "build-hook"))).mode & 0o777).toBe(0o755);
  expect(await readdir(directory)).toEqual(["build-hook"]);
  expect(await buildHookConfig("2.26.3", directory)).toEqual(["build-hook ="]);
});

test("one that cannot be written is told by its name", async () => {
  const directory = join(await temporaryDirectory(), "file");
  await writeFile(directory, "");
  await expect(buildHookConfig("2.8.0", directory)).rejects.toThrow(
    `cannot write ${directory}/build-hook: EEXIST`,
  );
});
