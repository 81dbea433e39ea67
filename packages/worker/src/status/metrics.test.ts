import { expect, test } from "vitest";
import { Counter, Histogram, counted, gauge, metricsText } from "./metrics.ts";

test("a counter has a sample for each set of labels", () => {
  const counter = new Counter("builds_total", "Builds.", { hasLabels: true });
  expect(metricsText([counter])).toBe("");
  counter.add(1, { outcome: "built" });
  counter.add(2, { outcome: "built" });
  counter.add(1, { outcome: "timeout" });
  expect(metricsText([counter])).toBe(
    [
      "# HELP builds_total Builds.",
      "# TYPE builds_total counter",
      'builds_total{outcome="built"} 3',
      'builds_total{outcome="timeout"} 1',
      "",
    ].join("\n"),
  );
});

test("a counter without labels begins with 0, so that its first step is seen", () => {
  expect(metricsText([new Counter("x_total", "X.", { hasLabels: false })])).toContain(
    "\nx_total 0\n",
  );
});

test("a histogram counts up to each bound, with the sum and the number of all", () => {
  const histogram = new Histogram("wall_seconds", "Wall time.", [0.5, 10]);
  for (const value of [0.5, 3, 20]) histogram.observe(value);
  expect(metricsText([histogram]).split("\n").slice(2, -1)).toEqual([
    'wall_seconds_bucket{le="0.5"} 1',
    'wall_seconds_bucket{le="10"} 2',
    'wall_seconds_bucket{le="+Inf"} 3',
    "wall_seconds_sum 23.5",
    "wall_seconds_count 3",
  ]);
});

test("what is unknown has no sample, and never 0", () => {
  const metrics = [
    gauge("a", "A.", () => null),
    gauge("b", "B.", () => [{ labels: { kind: "x" }, value: null }]),
    counted("c_total", "C.", () => null),
  ];
  expect(metricsText(metrics)).toBe("");
});

test("labels and help texts are escaped as the format wants it", () => {
  const metric = gauge("info", 'two\nlines \\ "quotes"', () => [
    { labels: { text: 'a"b\\c\nd' }, value: 1 },
  ]);
  expect(metricsText([metric])).toBe(
    '# HELP info two\\nlines \\\\ "quotes"\n# TYPE info gauge\ninfo{text="a\\"b\\\\c\\nd"} 1\n',
  );
});
