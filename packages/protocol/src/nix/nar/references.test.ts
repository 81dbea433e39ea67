import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NIX32_ALPHABET } from "../base32.ts";
import { CandidateScanner, ReferenceScanner } from "./references.ts";

const HASH = "0123456789abcdfghijklmnpqrsvwxyz";

/** All windows, by looking at every position. */
function slowly(text: string): Set<string> {
  const found = new Set<string>();
  for (let at = 0; at + 32 <= text.length; at++) {
    const window = text.slice(at, at + 32);
    if (window.split("").every((character) => NIX32_ALPHABET.includes(character)))
      found.add(window);
  }
  return found;
}

/** Text with long runs of hash characters: repeated, mixed and broken at all places. */
const texts = fc
  .array(
    fc.oneof(
      fc.string({ unit: fc.constantFrom(..."019abxz".split("")), maxLength: 70 }),
      fc.tuple(fc.constantFrom("0", "ab", "0123x", HASH), fc.nat(90)).map(([s, n]) => s.repeat(n)),
      fc.constantFrom(HASH, `/nix/store/${HASH}-name`, "e", "\0", "\xff\xff", "-"),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));
const sizes = fc.array(fc.integer({ min: 1, max: 80 }));

function feed(scanner: { write(chunk: Uint8Array): void }, text: string, cuts: number[]): void {
  const bytes = Buffer.from(text, "latin1");
  let at = 0;
  for (const size of cuts) {
    scanner.write(bytes.subarray(at, at + size));
    at += size;
  }
  scanner.write(bytes.subarray(at));
}

describe("the reference scanner", () => {
  test("finds the same as looking at every position, however the bytes are cut", () => {
    fc.assert(
      fc.property(texts, sizes, (text, cuts) => {
        const scanner = new ReferenceScanner();
        feed(scanner, text, cuts);
        expect([...scanner.found()].sort()).toEqual([...slowly(text)].sort());
        expect(scanner.overflowed).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("says when there are more windows than it keeps, and keeps no more", () => {
    fc.assert(
      fc.property(texts, sizes, fc.nat(100), (text, cuts, maxWindows) => {
        const scanner = new ReferenceScanner(maxWindows);
        feed(scanner, text, cuts);
        const all = slowly(text);
        expect(scanner.overflowed).toBe(all.size > maxWindows);
        expect(scanner.found().size).toBe(Math.min(all.size, maxWindows));
        for (const window of scanner.found()) expect(all).toContain(window);
      }),
    );
  });

  test("does not take a window for a repetition when the memory of the piece before was taken back", () => {
    const first = Uint8Array.from(Buffer.from(`${"-".repeat(5)}${HASH}${"-".repeat(40)}`));
    // The window behind the known one ends in the same character as one that lies as far before it as the known one would, were both in one piece.
    const second = Buffer.from(`${"-".repeat(37)}c--${HASH}c`);
    const scanner = new ReferenceScanner();
    scanner.write(first);
    structuredClone(null, { transfer: [first.buffer] });
    scanner.write(second);
    expect([...scanner.found()]).toEqual([HASH, `${HASH.slice(1)}c`]);
  });

  test("a file of one repeated character is one window and takes no time", () => {
    const scanner = new ReferenceScanner();
    for (let n = 0; n < 64; n++) scanner.write(Buffer.alloc(65_536, "0"));
    expect([...scanner.found()]).toEqual(["0".repeat(32)]);
  });
});

describe("the candidate scanner", () => {
  test("finds those candidates that occur, however the bytes are cut", () => {
    const present = HASH;
    const absent = `1${HASH.slice(1)}`;
    fc.assert(
      fc.property(texts, sizes, (text, cuts) => {
        const all = slowly(text);
        const candidates = [present, absent, ...[...all].slice(0, 5)];
        const scanner = new CandidateScanner(candidates);
        feed(scanner, text, cuts);
        const expected = new Set(candidates.filter((candidate) => all.has(candidate)));
        expect([...scanner.found()].sort()).toEqual([...expected].sort());
      }),
      { numRuns: 300 },
    );
  });

  test("finds a reference at the very end and one that is cut in two", () => {
    const scanner = new CandidateScanner([HASH]);
    scanner.write(Buffer.from(`${"e".repeat(100)}${HASH.slice(0, 31)}`));
    expect(scanner.found().size).toBe(0);
    scanner.write(Buffer.from("z"));
    expect([...scanner.found()]).toEqual([HASH]);
  });

  test("nothing to look for is nothing found", () => {
    const scanner = new CandidateScanner([]);
    scanner.write(Buffer.from(HASH));
    expect(scanner.found().size).toBe(0);
  });
});
