import { expect, test } from "vitest";
import { nextDue } from "./next-due.ts";

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);
const polling = { type: "polling", interval_secs: 60 } as const;

function delayOf(failures: number, random = 0): number {
  return (nextDue(polling, { now: NOW, failures, random }) ?? 0) - NOW;
}

test("looks are spread by a tenth of the interval, and never come before it", () => {
  expect(delayOf(0, 0)).toBe(60_000);
  expect(delayOf(0, 1)).toBe(66_000);
});

test("looks that fail come ever more seldom, down to once an hour", () => {
  expect([1, 2, 3].map((failures) => delayOf(failures))).toEqual([120_000, 240_000, 480_000]);
  expect(delayOf(1000)).toBe(3_600_000);
});

test("an interval of more than an hour is kept when looks fail", () => {
  const slow = { type: "polling", interval_secs: 7200 } as const;
  expect(nextDue(slow, { now: NOW, failures: 5, random: 0 })).toBe(NOW + 7_200_000);
});

test("a time is read in UTC, seconds first", () => {
  const time = { type: "time", cron: "30 15 3 * * *" } as const;
  expect(nextDue(time, { now: NOW, failures: 0, random: 0 })).toBe(Date.UTC(2026, 0, 2, 3, 15, 30));
});

test("what is told by a forge has no time", () => {
  const push = { type: "reporter_push", integration_id: null } as const;
  expect(nextDue(push, { now: NOW, failures: 0, random: 0 })).toBeNull();
});
