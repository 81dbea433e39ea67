/**
 * What a run of vitest comes to, from its JSON report: `{ passed, failed }`, numbers of tests. A file that fails as a
 * whole (it does not load, or a hook throws) counts as one failed test. A run that ended badly with nothing to show
 * for it has failed once.
 */
export function countTests(report, exitCode) {
  const results = report?.testResults ?? [];
  const statuses = results.flatMap((file) => file.assertionResults.map(({ status }) => status));
  const passed = statuses.filter((status) => status === "passed").length;
  const failedTests = statuses.filter((status) => status === "failed").length;
  const failedFiles = results.filter(isFailedWithoutTest).length;
  const failed = failedTests + failedFiles;
  return { passed, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

function isFailedWithoutTest({ status, assertionResults }) {
  return status === "failed" && !assertionResults.some((test) => test.status === "failed");
}
