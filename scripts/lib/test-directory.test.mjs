import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const MODULE = new URL("test-directory.mjs", import.meta.url).href;
let parent;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "directories-"));
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** A process that uses a directory, and then does this. */
function run(end) {
  const code = `
    const { useTestDirectory } = await import(${JSON.stringify(MODULE)});
    const { mkdtempSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const directory = useTestDirectory({ parent: ${JSON.stringify(parent)} });
    console.log(mkdtempSync(tmpdir() + "/left-"));
    ${end}`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", code]);
  return stdout.toString().trim();
}

test("what a run of tests leaves goes with it", () => {
  const left = run("");
  expect(left.startsWith(`${parent}/gradient-tests-`)).toBe(true);
  expect(readdirSync(parent)).toEqual([]);
});

test("what a run left that was killed goes with the next one; what others have stays", () => {
  const left = run(`process.kill(process.pid, "SIGKILL");`);
  expect(existsSync(left)).toBe(true);
  expect(statSync(join(left, "..")).mode & 0o7777).toBe(0o1777);
  const mine = join(parent, `gradient-tests-${process.pid}`);
  mkdirSync(mine);
  writeFileSync(join(parent, "gradient-tests-notes"), "");
  run("");
  expect(readdirSync(parent).toSorted()).toEqual(
    [`gradient-tests-${process.pid}`, "gradient-tests-notes"].toSorted(),
  );
});
