import { expect, test } from "vitest";
import { moreMemory } from "./more-memory.ts";

const unlimited = { limitBytes: null, peakBytes: null, shareBytes: 4 };

test("an attempt gets twice what the last one had, up to the largest worker, and then no other", () => {
  expect(moreMemory(unlimited, 20)).toBe(8);
  expect(moreMemory({ ...unlimited, limitBytes: 8 }, 20)).toBe(16);
  expect(moreMemory({ ...unlimited, limitBytes: 16 }, 20)).toBe(20);
  expect(moreMemory({ ...unlimited, limitBytes: 20 }, 20)).toBeNull();
});

test("without a limit what was measured counts, when it was more than a fair share", () => {
  expect(moreMemory({ ...unlimited, peakBytes: 7 }, 20)).toBe(14);
  expect(moreMemory({ ...unlimited, peakBytes: 1 }, 20)).toBe(8);
});

test("the limit of the derivation is not exceeded", () => {
  expect(moreMemory({ ...unlimited, limitBytes: 8 }, 8)).toBeNull();
});
