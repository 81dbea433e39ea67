import { describe, expect, test } from "vitest";
import { ageText, bytesText, countText, durationText, plural, timeText } from "./words.ts";

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

describe("a duration", () => {
  test.each([
    [0, "0 s"],
    [-5, "0 s"],
    [0.2, "1 ms"],
    [27.4, "27 ms"],
    [430, "0.4 s"],
    [9_940, "9.9 s"],
    [12_400, "12 s"],
    [59_900, "1 min"],
    [200 * SECOND, "3 min 20 s"],
    [2 * HOUR + 5 * MINUTE + 9 * SECOND, "2 h 5 min"],
    [4 * DAY + 3 * HOUR, "4 d 3 h"],
  ])("of %d ms is %s", (milliseconds, text) => {
    expect(durationText(milliseconds)).toBe(text);
  });
});

describe("an age", () => {
  const now = 1_796_036_400_000;
  test.each([
    [0, "just now"],
    [30 * SECOND, "just now"],
    [5 * MINUTE, "5 min ago"],
    [58 * MINUTE, "1 h ago"],
    [23 * HOUR, "1 d ago"],
    [90 * DAY, "3 months ago"],
    [-2 * HOUR, "in 2 h"],
  ])("of %d ms is %s", (past, text) => {
    expect(ageText(now - past, now)).toBe(text);
  });
});

test("times are told in UTC, sizes in binary units, counts in thousands", () => {
  expect(timeText(1_796_036_400_000)).toBe("2026-11-30 11:00:00 UTC");
  expect([512, 1536, 150 * 1024, 3 * 1024 ** 3].map(bytesText)).toEqual([
    "512 B",
    "1.5 KiB",
    "150 KiB",
    "3.0 GiB",
  ]);
  expect([7, 1234567].map(countText)).toEqual(["7", "1\u202f234\u202f567"]);
  expect([1, 2].map((count) => plural(count, "build"))).toEqual(["1 build", "2 builds"]);
});
