import { describe, expect, test } from "vitest";
import { PLAIN } from "../text/terminal-text.ts";
import { type LiveBuild, frameLines } from "./frame.ts";
import type { Progress } from "./view.ts";

const PROGRESS = {
  jobs: 7,
  isEvaluating: true,
  isPlanning: false,
  builds: { total: 12, building: 2, built: 3, failed: 1 },
  fetching: 0,
};

function build(name: string, figures: Partial<LiveBuild> = {}): LiveBuild {
  return { name, startedAt: 0, cores: null, memoryBytes: null, last: null, ...figures };
}

function frame(
  running: readonly LiveBuild[],
  columns = 80,
  rows = 24,
  progress: Progress = PROGRESS,
): string[] {
  return frameLines({
    progress,
    running,
    now: 61_000,
    columns,
    rows,
    palette: PLAIN,
  });
}

describe("the moving lines", () => {
  test("say what runs, for how long, and with what", () => {
    expect(frame([build("hello-2.12", { cores: 1.5, memoryBytes: 310 * 2 ** 20 })])).toEqual([
      "  hello-2.12                                  61.0 s   1.50 cores   310.0 MiB",
      "2 building, 3 of 12 done, 1 failed, evaluating (7 so far)",
    ]);
  });

  test("say that Nix asks substituters, while nothing is known of builds", () => {
    const builds = { total: 0, building: 0, built: 0, failed: 0 };
    const progress = { ...PROGRESS, isPlanning: true, builds };
    expect(frame([], 80, 24, progress)).toEqual(["asking substituters, evaluating (7 so far)"]);
  });

  test("show what is not known as such", () => {
    expect(frame([build("x")])[0]).toMatch(/ {11}-$/);
  });

  test.each([200, 80, 60, 45, 20, 5, 1])("fit %d columns", (columns) => {
    const name = "a-package-with-a-very-long-name-1.2.3".repeat(3);
    for (const line of frame([build(name, { cores: 12, memoryBytes: 1 })], columns)) {
      expect(line.length).toBeLessThan(Math.max(2, columns));
    }
  });

  test.each([24, 6, 4, 3, 1])("leave room in %d rows, and say how many are not shown", (rows) => {
    const running = Array.from({ length: 30 }, (_, n) => build(`b${n}`));
    const lines = frame(running, 80, rows);
    expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 2));
    if (rows > 3) expect(lines.at(-2)).toMatch(/and \d+ more/);
  });
});
