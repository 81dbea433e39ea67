import { expect, test } from "vitest";
import { countTests } from "./test-counts.mjs";

const file = (status, ...tests) => ({
  status,
  assertionResults: tests.map((result) => ({ status: result })),
});

test("tests are counted over all files, and a skipped test is neither passed nor failed", () => {
  const report = {
    testResults: [file("passed", "passed", "pending"), file("failed", "passed", "failed")],
  };
  expect(countTests(report, 1)).toEqual({ passed: 2, failed: 1 });
});

test("a file that does not load is one failed test", () => {
  expect(countTests({ testResults: [file("failed")] }, 1)).toEqual({ passed: 0, failed: 1 });
  const hook = { testResults: [file("failed", "passed", "pending")] };
  expect(countTests(hook, 1)).toEqual({ passed: 1, failed: 1 });
});

test("a run that ended badly has failed, also when no test says so or there is no report", () => {
  expect(countTests({ testResults: [file("passed", "passed")] }, 1)).toEqual({
    passed: 1,
    failed: 1,
  });
  expect(countTests(undefined, 130)).toEqual({ passed: 0, failed: 1 });
});
