import { expect, test } from "vitest";
import { MemoryAverage } from "./memory-average.ts";

test("a sample counts for the time until the next", () => {
  const average = new MemoryAverage();
  expect(average.bytes()).toBeNull();
  average.push(0, 100);
  expect(average.bytes()).toBe(100);
  average.push(100, 400);
  average.push(400, 0);
  expect(average.bytes()).toBe((100 * 100 + 300 * 400) / 400);
});
