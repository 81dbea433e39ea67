import { expect, test } from "vitest";
import { cuirassEvaluationStatus } from "./api-words.ts";

const nothing = { isEvaluated: false, hasJobs: false };
const partly = { isEvaluated: false, hasJobs: true };
const wholly = { isEvaluated: true, hasJobs: true };

/** Cuirass: -1 started, 0 succeeded, which is that its jobs are known, 1 failed, 2 aborted. */
test.each([
  ["Queued", nothing, -1],
  ["Fetching", nothing, -1],
  ["EvaluatingFlake", nothing, -1],
  ["EvaluatingDerivation", partly, -1],
  ["Waiting", nothing, -1],
  ["Waiting", partly, -1],
  ["Waiting", wholly, 0],
  ["Building", wholly, 0],
  ["Completed", wholly, 0],
  ["Completed", { isEvaluated: true, hasJobs: false }, 0],
  ["Failed", nothing, 1],
  ["Failed", { isEvaluated: true, hasJobs: false }, 1],
  ["Failed", partly, 0],
  ["Failed", wholly, 0],
  ["Aborted", nothing, 2],
  ["Aborted", partly, 0],
  ["Aborted", wholly, 0],
] as const)("an evaluation that is %s, with %j, has status %i", (state, how, status) => {
  expect(cuirassEvaluationStatus(state, how)).toBe(status);
});
