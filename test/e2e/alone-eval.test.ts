import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AloneScene } from "../support/alone.ts";

/** `gradient-worker eval`. */

let scene: AloneScene;

beforeAll(async () => {
  scene = await AloneScene.make();
});

afterAll(() => scene[Symbol.asyncDispose]());

test("prints attributes and derivations, builds nothing, and fails when one fails", async () => {
  const line = `eval ${await scene.fresh("eval")} -A two -A sets -A throws`;
  const { exitCode, stdout } = await scene.worker(line);
  expect(exitCode).toBe(1);
  expect(stdout.split("\n").toSorted()).toEqual([
    expect.stringMatching(/^sets\.inner {2}\/nix\/store\/\w{32}-inner\.drv$/),
    expect.stringMatching(/^throws {2}error: no such luck at default\.nix:\d+:\d+$/),
    expect.stringMatching(/^two {2}\/nix\/store\/\w{32}-two\.drv$/),
  ]);
  const drvPath = / (\S+-two\.drv)/.exec(stdout)?.[1] ?? "";
  const output = await scene.ours.nix("nix-store", ["--query", "--outputs", drvPath]);
  for (const path of output.split("\n")) expect(existsSync(scene.ours.physical(path))).toBe(false);
});

test("what fails as a whole is told in Nix's words, without a stack", async () => {
  const file = join(scene.source, "broken.nix");
  await writeFile(file, "{ a = 1;");
  const { exitCode, stderr } = await scene.worker(`eval ${file}`);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^error: syntax error, unexpected end of file[^\n]*\nat broken\.nix:1:\d+$/,
  );
});

test("a name can not take hold of the terminal", async () => {
  const file = join(scene.source, "escape.nix");
  const name = `\${builtins.fromJSON "\\"a\\\\u001b[31mb\\""}`;
  await writeFile(file, `{ "${name}" = (import ./. { }).base; }`);
  const { stdout } = await scene.worker(`eval ${file}`);
  expect(stdout).toMatch(/^"ab" {2}\/nix\/store\/\w{32}-base\.drv$/);
});

test("prints a JSON object a line", async () => {
  const { exitCode, stdout } = await scene.worker(`eval ${scene.source} --json --pattern sets.*`);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n").map((line): unknown => JSON.parse(line))).toEqual([
    {
      name: "sets.inner",
      attribute: ["sets", "inner"],
      outcome: "derivation",
      drvPath: expect.stringMatching(/-inner\.drv$/),
    },
  ]);
});

test("a full disk behind standard output is told in one line", async () => {
  const line = `$WORKER eval ${scene.source} -A base > /dev/full`;
  const { exitCode, stderr } = await scene.shell(line);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^gradient-worker: cannot write to standard output: ENOSPC.*$/);
});

test("a reader that goes away ends the command without a stack", async () => {
  const line = `$WORKER eval ${scene.source} | head -n 0; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await scene.shell(line);
  expect(stdout).toBe("141");
  expect(stderr).toBe("gradient-worker: nobody reads standard output any more");
});
