import fc from "fast-check";
import { expect, test } from "vitest";
import { partsOf, type Period } from "./periods.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const lengthOf = (periods: readonly Period[]): number =>
  periods.reduce((sum, { from, before }) => sum + before - from, 0);

test("the parts of a period are as long as it, and whole where they say so", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 * DAY }),
      fc.integer({ min: 0, max: 5 * DAY }),
      (from, length) => {
        const { days, hours, rest } = partsOf({ from, before: from + length });
        const wholes = days === null ? [] : [days];
        expect(lengthOf([...wholes, ...hours, ...rest])).toBe(length);
        for (const each of wholes) expect([each.from % DAY, each.before % DAY]).toEqual([0, 0]);
        for (const each of hours) expect([each.from % HOUR, each.before % HOUR]).toEqual([0, 0]);
        expect(lengthOf(hours)).toBeLessThan(2 * DAY);
        expect(lengthOf(rest)).toBeLessThan(2 * HOUR);
      },
    ),
  );
});

test("what has no end is days to its end", () => {
  const { days, hours, rest } = partsOf({ from: HOUR + 1, before: Number.MAX_SAFE_INTEGER });
  expect(days).toEqual({ from: DAY, before: Number.MAX_SAFE_INTEGER });
  expect(hours).toEqual([{ from: 2 * HOUR, before: DAY }]);
  expect(rest).toEqual([{ from: HOUR + 1, before: 2 * HOUR }]);
});
