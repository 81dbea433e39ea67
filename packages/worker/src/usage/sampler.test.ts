import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Sampler } from "./sampler.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("a task runs at the interval at first, and once in a second in the end", () => {
  const sampler = new Sampler(100);
  let runs = 0;
  const stop = sampler.add(() => {
    runs += 1;
  });
  vi.advanceTimersByTime(5000);
  expect(runs).toBe(50);
  vi.advanceTimersByTime(115_000);
  const before = runs;
  expect(before).toBeLessThan(300);
  vi.advanceTimersByTime(10_000);
  expect(runs - before).toBeGreaterThanOrEqual(9);
  expect(runs - before).toBeLessThanOrEqual(11);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("a young task beside an old one runs at its own pace", () => {
  const sampler = new Sampler(100);
  let old = 0;
  sampler.add(() => {
    old += 1;
  });
  vi.advanceTimersByTime(120_000);
  let young = 0;
  sampler.add(() => {
    young += 1;
  });
  const before = old;
  vi.advanceTimersByTime(3000);
  expect(young).toBe(30);
  expect(old - before).toBeLessThanOrEqual(4);
});
