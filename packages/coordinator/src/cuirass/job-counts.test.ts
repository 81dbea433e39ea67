import { expect, test } from "vitest";
import type { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import { ManualClock } from "../manual-clock.test-support.ts";
import { JobCounts } from "./job-counts.ts";

test("jobs of an evaluation that has ended are counted once in a minute, those of others always", async () => {
  const counted: number[] = [];
  const view: Pick<CuirassEvaluationView, "countJobs"> = {
    countJobs: (number) => new Map([[number, counted.push(number)]]),
  };
  const clock = new ManualClock();
  const counts = new JobCounts(view, clock);
  const all = (number: number, finishedAt: number | null) => [
    ...counts.of({ number, finishedAt }).values(),
  ];
  expect([all(1, null), all(1, null)]).toEqual([[1], [2]]);
  expect([all(1, 5000), all(1, 5000), all(2, 5000)]).toEqual([[3], [3], [4]]);
  // Restarted, and over again.
  expect([all(1, null), all(1, 6000), all(1, 6000)]).toEqual([[5], [6], [6]]);
  await clock.advance(60_000);
  expect([all(1, 6000), all(2, 5000)]).toEqual([[7], [8]]);
  for (let number = 10; number < 2010; number += 1) all(number, 1);
  expect([all(2009, 1), all(1, 6000)]).toEqual([[2008], [2009]]);
});
