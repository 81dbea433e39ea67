import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryPeak } from "./memory-peak.ts";
import { UsageSeries } from "./series.ts";

test("a series never has more than 300 points, in order and over the whole time", () => {
  const property = fc.property(fc.integer({ min: 1, max: 20_000 }), (count) => {
    const series = new UsageSeries(100);
    for (let index = 0; index < count; index += 1) {
      series.push({ atMs: index * 100, cpuMs: index, memoryBytes: index });
    }
    const points = series.points();
    expect(points.length).toBeLessThanOrEqual(300);
    expect(points[0]?.atMs).toBe(0);
    const distances = points.slice(1).map(({ atMs }, index) => atMs - (points[index]?.atMs ?? 0));
    const longest = Math.max(100, ...distances);
    expect(Math.min(longest, ...distances)).toBeGreaterThanOrEqual(longest / 2);
    expect((count - 1) * 100 - (points.at(-1)?.atMs ?? 0)).toBeLessThanOrEqual(2 * longest);
  });
  fc.assert(property, { numRuns: 60 });
});

test("timers that are late by turns do not lose points", () => {
  const series = new UsageSeries(100);
  for (let index = 0; index < 450; index += 1) {
    series.push({ atMs: index * 100 + (index % 2), cpuMs: null, memoryBytes: null });
  }
  expect(series.points().length).toBeGreaterThan(220);
});

const MIB = 1024 * 1024;

test("a peak that the kernel's own confirms is exact", () => {
  const peak = new MemoryPeak();
  for (const mib of [10, 512, 300]) peak.push({ neededBytes: mib * MIB, cacheBytes: 5 * MIB });
  expect(peak.result(520 * MIB)).toEqual({ bytes: 512 * MIB, quality: "exact" });
});

test("page cache is not needed memory, and then the peak is only sampled", () => {
  const peak = new MemoryPeak();
  for (const mib of [10, 50, 30]) peak.push({ neededBytes: mib * MIB, cacheBytes: 400 * MIB });
  expect(peak.result(450 * MIB)).toEqual({ bytes: 50 * MIB, quality: "sampled" });
});

test("a build shorter than the samples' distance has the kernel's peak without the cache it left", () => {
  const peak = new MemoryPeak();
  peak.push({ neededBytes: MIB, cacheBytes: 20 * MIB });
  expect(peak.result(320 * MIB)).toEqual({ bytes: 300 * MIB, quality: "sampled" });
});

test("what is not known stays unknown", () => {
  expect(new MemoryPeak().result(null)).toEqual({ bytes: null, quality: "none" });
  expect(new MemoryPeak().result(7)).toEqual({ bytes: 7, quality: "sampled" });
});
