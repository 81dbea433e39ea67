import { expect, test } from "vitest";
import { reconnectDelayMs, supersededDelayMs } from "./reconnect-policy.ts";

const RANGE = { minMs: 1000, maxMs: 60_000 };

test("the bound doubles from 1 s to 60 s", () => {
  const bounds = [0, 1, 2, 5, 6, 7, 1000].map((failures) => reconnectDelayMs(failures, RANGE, 1));
  expect(bounds).toEqual([1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000]);
});

test("the delay is anything up to the bound", () => {
  expect(reconnectDelayMs(3, RANGE, 0)).toBe(0);
  expect(reconnectDelayMs(3, RANGE, 0.5)).toBe(4000);
});

test("a worker whose place is taken again and again comes back ever more rarely, at last once an hour", () => {
  const most = [1, 2, 3, 6, 7, 1000].map((times) => supersededDelayMs(times, RANGE, 1));
  expect(most).toEqual([120_000, 240_000, 480_000, 3_600_000, 3_600_000, 3_600_000]);
  expect(supersededDelayMs(1, RANGE, 0)).toBe(60_000);
});
