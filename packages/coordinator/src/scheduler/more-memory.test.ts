import { expect, test } from "vitest";
import { moreMemory } from "./more-memory.ts";

const first = {
  exactBytes: null,
  maxBytes: null,
  reservedBytes: 3,
  peakBytes: null,
  shareBytes: 4,
};

test("an attempt gets twice what the last one had, up to the largest worker, and then no other", () => {
  expect(moreMemory(first, 20)).toBe(8);
  expect(moreMemory({ ...first, exactBytes: 8 }, 20)).toBe(16);
  expect(moreMemory({ ...first, exactBytes: 16 }, 20)).toBe(20);
  expect(moreMemory({ ...first, exactBytes: 20 }, 20)).toBeNull();
});

test("of a first attempt the most counts: what was set aside, what was measured, or a fair share", () => {
  expect(moreMemory({ ...first, reservedBytes: 6 }, 20)).toBe(12);
  expect(moreMemory({ ...first, peakBytes: 7 }, 20)).toBe(14);
  expect(moreMemory({ ...first, peakBytes: 1 }, 20)).toBe(8);
});

test("the limit of the derivation is not exceeded", () => {
  expect(moreMemory({ ...first, maxBytes: 6 }, 20)).toBe(6);
  expect(moreMemory({ ...first, maxBytes: 4 }, 20)).toBeNull();
  expect(moreMemory({ ...first, exactBytes: 6, maxBytes: 6 }, 20)).toBeNull();
});
