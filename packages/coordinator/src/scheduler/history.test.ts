import { expect, test } from "vitest";
import { estimateOf, historyName, withRun, type Run } from "./history.ts";

const MEBIBYTE = 2 ** 20;

function run(change: Partial<Run> = {}): Run {
  return { peakBytes: null, lackedBytes: null, cores: null, ...change };
}

test("nothing is known of what never ran, or was never measured", () => {
  expect(estimateOf([])).toEqual({ memoryBytes: null, cores: null });
  expect(estimateOf([run()])).toEqual({ memoryBytes: null, cores: null });
});

test("memory is the largest peak and a third, in steps of 256 MiB", () => {
  const peaks = [90, 400, 20].map((megabytes) => run({ peakBytes: megabytes * MEBIBYTE }));
  expect(estimateOf(peaks).memoryBytes).toBe(768 * MEBIBYTE);
  expect(estimateOf([run({ peakBytes: 1 })]).memoryBytes).toBe(256 * MEBIBYTE);
});

test("what was not enough counts twice, whatever was measured of it", () => {
  const runs = [
    run({ peakBytes: 100 * MEBIBYTE }),
    run({ peakBytes: 10 * MEBIBYTE, lackedBytes: 1000 * MEBIBYTE }),
  ];
  expect(estimateOf(runs).memoryBytes).toBe(2048 * MEBIBYTE);
});

test("cores are those that the busiest run had at work, in quarters", () => {
  expect(estimateOf([run({ cores: 0.3 }), run({ cores: 1.6 })]).cores).toBe(1.75);
});

test("the last five runs count", () => {
  let runs: Run[] = [];
  for (const cores of [9, 1, 2, 3, 2, 1]) runs = withRun(runs, run({ cores }));
  expect(estimateOf(runs).cores).toBe(3);
});

test.each([
  ["hello-2.12.1", null, false, "hello"],
  ["python3.12-requests-2.31", null, false, "python3.12-requests"],
  ["gcc-wrapper-13.2.0", "gcc-wrapper", false, "gcc-wrapper"],
  ["source", null, true, "source (fixed output)"],
  ["hello-2.12.1.tar.gz", null, true, "hello (fixed output)"],
  ["no-version", null, false, "no-version"],
])("the history of %s", (name, pname, isFixedOutput, expected) => {
  expect(historyName({ name, pname, isFixedOutput })).toBe(expected);
});
