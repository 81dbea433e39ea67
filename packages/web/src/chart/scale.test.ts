import fc from "fast-check";
import { expect, test } from "vitest";
import { spread, ticksUpTo } from "./scale.ts";

test("an axis has round numbers: tens, binary sizes, and times as clocks count", () => {
  expect(ticksUpTo(432, 3, "tens")).toEqual([0, 200, 400, 600]);
  expect(ticksUpTo(1.9, 4, "tens")).toEqual([0, 0.5, 1, 1.5, 2]);
  expect(ticksUpTo(1_400_000_000, 4, "bytes")).toEqual([0, 1, 2, 3].map((n) => n * 2 ** 29));
  expect(ticksUpTo(90_000, 4, "time")).toEqual([0, 30_000, 60_000, 90_000]);
  expect(ticksUpTo(0, 4, "tens")).toEqual([0, 1]);
});

test("an axis reaches its largest value with few numbers, whatever it is", () => {
  const scale = fc.constantFrom("tens" as const, "bytes" as const, "time" as const);
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1e15, noNaN: true }), scale, (max, kind) => {
      const ticks = ticksUpTo(max, 4, kind);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(max);
      expect(ticks.length).toBeLessThanOrEqual(6);
    }),
  );
});

test("labels are even and not too many", () => {
  expect(spread(30, 6)).toEqual([0, 5, 10, 15, 20, 25]);
  expect(spread(3, 6)).toEqual([0, 1, 2]);
  expect(spread(0, 6)).toEqual([]);
});
