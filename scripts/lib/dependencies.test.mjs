import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findChange, reasonToInstall } from "./dependencies.mjs";
import { root } from "./layout.mjs";

const zod = { version: "4.6.7", integrity: "sha512-zod" };
const wanted = {
  "": { name: "farm" },
  "node_modules/zod": zod,
  "node_modules/@other/system": { version: "1.0.0", optional: true },
};

test("what is installed as the lock file says has not changed, though packages of other systems are absent", () => {
  expect(findChange(wanted, { "node_modules/zod": zod })).toBeUndefined();
});

test("a package that is absent, of another version or content, or left over is named", () => {
  expect(findChange(wanted, {})).toBe("zod");
  expect(findChange(wanted, { "node_modules/zod": { ...zod, version: "4.6.6" } })).toBe("zod");
  expect(findChange(wanted, { "node_modules/zod": { ...zod, integrity: "sha512-x" } })).toBe("zod");
  const more = { "node_modules/zod": zod, "node_modules/@old/one": { version: "1.0.0" } };
  expect(findChange(wanted, more)).toBe("@old/one");
});

test("a clean clone is installed, and so is one whose installation was interrupted", async () => {
  const clone = await mkdtemp(join(tmpdir(), "gradient-clone-"));
  onTestFinished(() => rm(clone, { recursive: true }));
  await writeFile(join(clone, "package-lock.json"), JSON.stringify({ packages: wanted }));
  await expect(reasonToInstall(clone)).resolves.toMatch("not there or incomplete");
  await mkdir(join(clone, "node_modules/zod"), { recursive: true });
  await expect(reasonToInstall(clone)).resolves.toMatch("not there or incomplete");
});

test("the clone that runs this test needs no installation", async () => {
  await expect(reasonToInstall(root)).resolves.toBeUndefined();
});
