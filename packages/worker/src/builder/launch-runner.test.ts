import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findNix } from "../nix/installation.ts";
import { startDetached } from "../process/start-detached.ts";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { removeRunner } from "./launch-runner.ts";

test("of a runner that failed there is its error, and no file", async () => {
  const directory = join(await temporaryDirectory(), "runners");
  await mkdir(directory);
  const failing = startDetached({
    command: process.execPath,
    args: ["--eval", 'throw new TypeError("it fell over")'],
    env: {},
    input: "",
    errorFile: join(directory, "0a1b2c3d.log"),
    readyMs: 60_000,
  });
  await expect(failing).rejects.toMatchObject({ code: "process_not_started" });
  const path = join(directory, "0a1b2c3d.sock");
  expect(await removeRunner({ path }, findNix({ store: "", environment: process.env }))).toBe(
    "TypeError: it fell over",
  );
  expect(await readdir(directory)).toEqual([]);
});
