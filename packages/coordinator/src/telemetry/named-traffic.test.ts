import { expect, test } from "vitest";
import { namedTraffic } from "./named-traffic.ts";

const figures = { hits: 1, misses: 2, narRequests: 3, narBytes: 4 };

test("a hundred caches are told apart, however many there are; the others are one", async () => {
  const traffic = new Map(
    Array.from({ length: 250 }, (_, number) => [`id-${number}`, figures] as const),
  );
  const named = await namedTraffic(traffic, async (ids) => new Map(ids.map((id) => [id, id])));
  expect(named.size).toBe(101);
  expect(named.get("id-0")).toEqual(figures);
  expect(named.get("(others)")).toEqual({
    hits: 150,
    misses: 300,
    narRequests: 450,
    narBytes: 600,
  });
});

test("a cache that is gone is not told of", async () => {
  const named = await namedTraffic(new Map([["gone", figures]]), async () => new Map());
  expect(named.size).toBe(0);
});
