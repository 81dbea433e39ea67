import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBuckets } from "./token-buckets.ts";

const takeMany = (buckets: TokenBuckets, times: number, now: number) =>
  Array.from({ length: times }, () => buckets.take("a", now));

test("a burst comes in at once, then one at a time as the bucket fills", () => {
  const buckets = new TokenBuckets({ refillMs: 6000, burst: 5 });
  expect(takeMany(buckets, 6, 1000)).toEqual([0, 0, 0, 0, 0, 6000]);
  expect(buckets.take("a", 6999)).toBe(1);
  expect(buckets.take("a", 7000)).toBe(0);
  expect(buckets.take("a", 7000)).toBe(6000);
  expect(buckets.take("b", 7000)).toBe(0);
});

test("a bucket that nobody used is full again and no fuller", () => {
  const buckets = new TokenBuckets({ refillMs: 1000, burst: 3 });
  takeMany(buckets, 3, 0);
  expect(takeMany(buckets, 4, 1_000_000)).toEqual([0, 0, 0, 1000]);
});

test("refusals cost nothing", () => {
  const buckets = new TokenBuckets({ refillMs: 1000, burst: 1 });
  expect(takeMany(buckets, 50, 0).at(-1)).toBe(1000);
  expect(buckets.take("a", 1000)).toBe(0);
});

test("a clock that is set back locks nobody out", () => {
  const buckets = new TokenBuckets({ refillMs: 1000, burst: 2 });
  takeMany(buckets, 2, 100_000_000);
  expect(buckets.take("a", 0)).toBe(0);
});

test("more clients than are remembered lock nobody out", () => {
  const buckets = new TokenBuckets({ refillMs: 1000, burst: 1 });
  const waits = Array.from({ length: 200_000 }, (_, client) => buckets.take(String(client), 0));
  expect(waits.filter((wait) => wait > 0)).toEqual([]);
});

test("in no stretch of time more come in than the burst and the refills of that time", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(steps, (waits) => {
      const buckets = new TokenBuckets({ refillMs: 100, burst: 4 });
      let now = 0;
      const admitted: number[] = [];
      for (const wait of waits) {
        now += wait;
        if (buckets.take("a", now) === 0) admitted.push(now);
      }
      for (const [at, start] of admitted.entries()) {
        for (const [later, end] of admitted.slice(at).entries()) {
          expect(later + 1).toBeLessThanOrEqual(4 + Math.floor((end - start) / 100));
        }
      }
    }),
  );
});
