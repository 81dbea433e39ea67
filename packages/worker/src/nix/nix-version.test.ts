import { copyFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../testing/temporary-directory.ts";
import { findNix } from "./installation.ts";
import { NixVersion } from "./nix-version.ts";

async function setUp() {
  const directory = await temporaryDirectory();
  const program = join(directory, "nix-store");
  const replace = async (): Promise<void> => {
    await copyFile("/bin/true", `${program}.new`);
    await rename(`${program}.new`, program);
  };
  await replace();
  const nix = findNix({ store: "", environment: { PATH: directory } });
  const answers: (() => Promise<string>)[] = [];
  const version = new NixVersion(nix, () => answers.shift()?.() ?? Promise.reject(new Error("no")));
  const willSay = (...texts: string[]): void => {
    answers.push(...texts.map((text) => () => Promise.resolve(text)));
  };
  return { program, replace, version, answers, willSay };
}

test("the version is asked once, by however many, until the program is another file", async () => {
  const { replace, version, willSay } = await setUp();
  willSay("2.8.0", "2.26.3");
  expect(await Promise.all([version.ask(), version.ask()])).toEqual(["2.8.0", "2.8.0"]);
  expect(await version.ask()).toBe("2.8.0");
  await replace();
  expect(await version.ask()).toBe("2.26.3");
  expect(await version.ask()).toBe("2.26.3");
});

test("a script is asked each time, as what it starts may change", async () => {
  const { program, version, willSay } = await setUp();
  await writeFile(program, '#!/bin/sh\nexec nix-store "$@"\n');
  willSay("2.8.0", "2.26.3");
  expect(await version.ask()).toBe("2.8.0");
  expect(await version.ask()).toBe("2.26.3");
});

test("a question that failed is asked again", async () => {
  const { version, answers, willSay } = await setUp();
  answers.push(() => Promise.reject(new Error("not now")));
  await expect(version.ask()).rejects.toThrow("not now");
  willSay("2.8.0");
  expect(await version.ask()).toBe("2.8.0");
});
