import { expect, test } from "vitest";
import { MicroClock } from "./micro-clock.ts";

/** 2027-01-10T00:00:00Z, by clocks that the test moves. */
function clocks() {
  const at = { wallMs: Date.UTC(2027, 0, 10), monotonicMs: 12.3456 };
  return {
    at,
    clock: new MicroClock(
      () => Math.floor(at.wallMs),
      () => at.monotonicMs,
    ),
  };
}

test("tells what lies between the milliseconds", () => {
  const { at, clock } = clocks();
  const first = clock.now();
  at.wallMs += 2.5;
  at.monotonicMs += 2.5;
  expect(clock.now() - first).toBe(2500);
  expect(Math.floor(clock.now() / 1000)).toBe(Math.floor(at.wallMs));
});

test("follows a wall clock that is set, or runs at another pace", () => {
  const { at, clock } = clocks();
  for (const step of [3_600_000, -7_200_000, 0.7, 1.3, 40.2]) {
    at.wallMs += step;
    at.monotonicMs += 1;
    expect(Math.floor(clock.now() / 1000)).toBe(Math.floor(at.wallMs));
  }
});

test("is the real time", () => {
  const before = Date.now();
  const us = new MicroClock().now();
  expect(Number.isSafeInteger(us)).toBe(true);
  expect(us / 1000).toBeGreaterThanOrEqual(before);
  expect(Math.floor(us / 1000)).toBeLessThanOrEqual(Date.now());
});
