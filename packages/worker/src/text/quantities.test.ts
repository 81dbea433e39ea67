import { expect, test } from "vitest";
import { formatBytes, formatCores, formatCount, formatDuration } from "./quantities.ts";

test.each([
  [0, "0.00 s"],
  [214, "0.21 s"],
  [9994, "9.99 s"],
  [9995, "10.0 s"],
  [99_949, "99.9 s"],
  [99_950, "1 min 40 s"],
  [125_400, "2 min 5 s"],
  [3_725_000, "1 h 2 min"],
  [null, "-"],
])("%d ms are %s", (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [1024 * 1024 - 1, "1.0 MiB"],
  [310.2 * 2 ** 20, "310.2 MiB"],
  [5 * 2 ** 50, "5120.0 TiB"],
  [null, "-"],
])("%d bytes are %s", (sizeBytes, text) => {
  expect(formatBytes(sizeBytes)).toBe(text);
});

test("what is not known is never shown as 0", () => {
  expect(formatCores(null)).toBe("-");
  expect(formatCores(1.018)).toBe("1.02 cores");
});

test("one has no plural", () => {
  expect([formatCount(1, "build"), formatCount(0, "build")]).toEqual(["1 build", "0 builds"]);
});
