import fc from "fast-check";
import { expect, test } from "vitest";
import { newestOf, type Place, type ReadBefore } from "./newest.ts";

const isBefore = (a: Place, b: Place): boolean =>
  a.createdAt === b.createdAt ? a.number < b.number : a.createdAt < b.createdAt;

/** Newest first. */
const sorted = (places: readonly Place[]): Place[] =>
  places.toSorted((a, b) => (isBefore(a, b) ? 1 : -1));

function readerOf(places: readonly Place[], reads: number[]): ReadBefore {
  return (before, limit) => {
    reads.push(limit);
    return sorted(places)
      .filter((place) => isBefore(place, before))
      .slice(0, limit);
  };
}

const together =
  (readers: readonly ReadBefore[]) =>
  (before: Place, limit: number): Place[][] =>
    readers.map((read) => read(before, limit));

test("the newest of many sources are those of all of them together", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }), { maxLength: 6 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 60 }),
      (times, createdBefore, limit) => {
        let number = 0;
        const sources = times.map((each) =>
          each.map((createdAt) => ({ createdAt, number: (number += 1) })),
        );
        const all = sorted(sources.flat()).filter((place) => place.createdAt < createdBefore);
        const readers = sources.map((places) => readerOf(places, []));
        expect(newestOf(readers, together(readers), createdBefore, limit)).toEqual(
          all.slice(0, limit),
        );
      },
    ),
  );
});

test("a hundred sources are not read to their limit each", () => {
  const reads: number[] = [];
  const readers = Array.from({ length: 100 }, (_, source) =>
    readerOf(
      Array.from({ length: 50 }, (__, at) => ({ createdAt: at, number: at * 100 + source + 1 })),
      reads,
    ),
  );
  expect(newestOf(readers, together(readers), 1000, 500)).toHaveLength(500);
  expect(reads.reduce((sum, limit) => sum + limit, 0)).toBeLessThan(2000);
});
