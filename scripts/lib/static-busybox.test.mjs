import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { findStaticBusybox, isStaticElf } from "./static-busybox.mjs";

test("a dynamically linked program is no seed", () => {
  expect(isStaticElf(readFileSync(process.execPath))).toBe(false);
});

test("neither is a script or a cut file", () => {
  expect(isStaticElf(Buffer.from("#!/bin/sh\n"))).toBe(false);
  expect(isStaticElf(Buffer.alloc(0))).toBe(false);
  expect(isStaticElf(readFileSync(process.execPath).subarray(0, 64))).toBe(false);
});

test("this machine's static busybox is found, also where PATH does not lead to it", () => {
  const busybox = findStaticBusybox("");
  expect(busybox).toMatch(/\/busybox$/);
  expect(isStaticElf(readFileSync(busybox))).toBe(true);
});
