import { expect, test } from "vitest";
import { fitsAny } from "./glob.ts";

test.each([
  ["main", "main", true],
  ["main", "maine", false],
  ["*", "anything/at/all", true],
  ["release/*", "release/1/2", true],
  ["release/*", "release", false],
  ["v?.?", "v1.2", true],
  ["v?.?", "v1.23", false],
  ["*-stable", "x-stable-stable", true],
  ["a.c", "abc", false],
  ["(a|b)+", "a", false],
])("%s fits %s: %s", (pattern, name, isFit) => {
  expect(fitsAny([pattern], name)).toBe(isFit);
});

test("no pattern fits nothing", () => {
  expect(fitsAny([], "main")).toBe(false);
});

test("a pattern of many stars takes no longer than it has to", () => {
  expect(fitsAny([`${"*a".repeat(90)}b`], "a".repeat(500))).toBe(false);
});
