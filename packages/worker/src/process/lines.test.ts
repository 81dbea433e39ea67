import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLines } from "./lines.ts";

async function linesOf(chunks: readonly (string | Uint8Array)[], max = 1000): Promise<string[]> {
  const lines: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  for await (const line of readLines(stream, max)) lines.push(line);
  return lines;
}

describe("readLines", () => {
  test("joins lines over chunk borders and keeps empty ones", async () => {
    expect(await linesOf(["a\n\nb", "c\nd"])).toEqual(["a", "", "bc", "d"]);
  });

  test("a newline at the end starts no further line", async () => {
    expect(await linesOf(["a\n"])).toEqual(["a"]);
  });

  test("cuts lines that are too long and goes on with the next", async () => {
    expect(await linesOf(["aaaa", "aaaa\nbb\n"], 5)).toEqual(["aaaaa", "bb"]);
  });

  test("a character split over two chunks stays whole", async () => {
    const bytes = Buffer.from("é\n");
    expect(await linesOf([bytes.subarray(0, 1), bytes.subarray(1)])).toEqual(["é"]);
  });

  test("chunk borders never matter", async () => {
    const property = fc.asyncProperty(
      fc.string({ unit: fc.constantFrom("a", "b", "\n") }),
      fc.array(fc.nat(20)),
      async (text, cuts) => {
        const borders = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const chunks = borders.slice(1).map((end, index) => text.slice(borders[index], end));
        const expected = text.split("\n");
        if (expected.at(-1) === "") expected.pop();
        expect(await linesOf(chunks)).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 50 });
  });
});
