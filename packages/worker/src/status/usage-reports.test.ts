import { assignmentIdSchema } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BuildFigures } from "../jobs/assignments.ts";
import type { LiveUsage } from "../ports.ts";
import { unmeasured } from "../usage/usage-figures.ts";
import { UsageReports } from "./usage-reports.ts";

const assignment = assignmentIdSchema.parse(uuidv7());

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function reportsOf(live: LiveUsage): Promise<BuildFigures[]> {
  const told: BuildFigures[] = [];
  using _reports = new UsageReports({
    builds: () => [{ assignment, live }],
    report: (figures) => told.push(...figures),
  });
  await vi.advanceTimersByTimeAsync(10_000);
  return told;
}

test("what a build has used so far is told every five seconds", async () => {
  let cpuUserMs = 0;
  const current = () => {
    cpuUserMs += 100;
    return { ...unmeasured(1), cpuUserMs, cpuSystemMs: 5, memoryPeakBytes: 7 };
  };
  const figures = { assignment, memoryPeakBytes: 7, storagePeakBytes: null };
  expect(await reportsOf({ current })).toEqual([
    { ...figures, cpuMs: 105 },
    { ...figures, cpuMs: 205 },
  ]);
});

test("what was not measured is not known, and is not nothing", async () => {
  const [first] = await reportsOf({ current: () => unmeasured(1) });
  expect(first).toEqual({
    assignment,
    cpuMs: null,
    memoryPeakBytes: null,
    storagePeakBytes: null,
  });
});

test("of a build whose figures do not come nothing is told", async () => {
  expect(await reportsOf({ current: () => new Promise(() => undefined) })).toEqual([]);
  expect(await reportsOf({ current: () => Promise.reject(new Error("it has ended")) })).toEqual([]);
});
