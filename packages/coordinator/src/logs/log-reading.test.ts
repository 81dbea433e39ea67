import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkText, indexLog, logSlices } from "./log-chunks.ts";
import { lineText, searchLines } from "./log-lines.ts";

/** The text in pieces of so many characters. */
async function* inPieces(text: string, size: number): AsyncGenerator<string, void, undefined> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const joined = async (texts: AsyncIterable<string>) => (await collect(texts)).join("");

const LINE = "0123456789abcde\n";
const LONG = LINE.repeat(50_000);

describe("lines of a log", () => {
  const lines = (text: string, first: number, last: number | null, size = 3) =>
    joined(lineText(inPieces(text, size), { first, last }));

  test("are counted from 1, both ends included", async () => {
    const text = "one\ntwo\nthree\nfour";
    expect(await lines(text, 1, null)).toBe(text);
    expect(await lines(text, 2, 3)).toBe("two\nthree\n");
    expect(await lines(text, 4, 4)).toBe("four");
    expect(await lines(text, 3, 99)).toBe("three\nfour");
    expect(await lines(text, 5, null)).toBe("");
    expect(await lines("a\n\n\nb\n", 2, 3)).toBe("\n\n");
  });

  test("are the same whatever pieces the log comes in", async () => {
    const log = fc.array(fc.constantFrom("a", "bc", "\n", "ü")).map((parts) => parts.join(""));
    const at = fc.integer({ min: 1, max: 8 });
    await fc.assert(
      fc.asyncProperty(log, at, at, fc.integer({ min: 1, max: 5 }), async (text, a, b, size) => {
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const expected = text
          .split(/(?<=\n)/)
          .slice(first - 1, last)
          .join("");
        expect(await lines(text, first, last, size)).toBe(expected);
      }),
    );
  });

  test("that come early need no more of the log than that", async () => {
    let read = 0;
    async function* counted() {
      for await (const piece of inPieces(LONG, 1000)) {
        read += piece.length;
        yield piece;
      }
    }
    await joined(lineText(counted(), { first: 2, last: 3 }));
    expect(read).toBe(1000);
  });
});

describe("chunks of a log", () => {
  test("end with a line, follow each other without a gap and are the whole log", async () => {
    const index = await indexLog(inPieces(LONG, 60_000));
    expect([index.lines, index.bytes, index.chunks.length]).toEqual([50_000, 800_000, 4]);
    let text = "";
    for (const chunk of index.chunks) {
      const own = await joined(chunkText(inPieces(LONG, 777), chunk.index));
      expect([own.length, own.endsWith("\n")]).toEqual([chunk.byteLength, true]);
      expect([chunk.byteStart, chunk.lineStart]).toEqual([text.length, text.length / LINE.length]);
      expect(chunk.lineCount).toBe(own.length / LINE.length);
      text += own;
    }
    expect(text).toBe(LONG);
    expect(await joined(chunkText(inPieces(LONG, 777), 4))).toBe("");
  });

  test("stay as they are when the log grows", async () => {
    const half = await indexLog(inPieces(LONG.slice(0, 600_001), 5000));
    const whole = await indexLog(inPieces(LONG, 70_001));
    expect(whole.chunks.slice(0, 2)).toEqual(half.chunks.slice(0, 2));
  });

  test("of a line without an end are cut between two characters", async () => {
    const text = "é€😀".repeat(200_000);
    const slices = await collect(logSlices(inPieces(text, 3000 * 4)));
    expect(Buffer.concat(slices.map(({ bytes }) => bytes)).toString()).toBe(text);
    const { chunks, lines } = await indexLog(inPieces(text, 3000 * 4));
    expect([chunks.length, lines]).toEqual([2, 1]);
    expect(chunks[0]?.byteLength).toBeLessThanOrEqual(1024 * 1024);
    const first = await joined(chunkText(inPieces(text, 3000 * 4), 0));
    expect(text.startsWith(first)).toBe(true);
  });

  test("of an empty log are none", async () => {
    expect(await indexLog(inPieces("", 1))).toEqual({ lines: 0, bytes: 0, chunks: [] });
  });
});

describe("a search", () => {
  const search = (text: string, query: string, size = 3, isCaseSensitive = false) =>
    collect(searchLines(inPieces(text, size), { text: query, isCaseSensitive }));

  test("finds each line once, with its number, its place and its beginning", async () => {
    const text = "first\n  Error: one error\nü\nerror\nlast";
    for (const size of [1, 4, 1000]) {
      expect(await search(text, "ERROR", size)).toEqual([
        { line: 2, chunk: 0, offset: 6, preview: "Error: one error" },
        { line: 4, chunk: 0, offset: 28, preview: "error" },
      ]);
    }
    expect((await search(text, "Error", 5, true)).map(({ line }) => line)).toEqual([2]);
    expect((await search(text, "last")).map(({ line }) => line)).toEqual([5]);
    expect(await search(text, "one error\nü")).toEqual([]);
  });

  test("finds what lies across two pieces, also in a line that never ends", async () => {
    const text = `${"x".repeat(500_000)}needle${"y".repeat(10)}`;
    const [hit, ...others] = await search(text, "needle", 64_003);
    expect(others).toEqual([]);
    expect(hit).toMatchObject({ line: 1, offset: 0 });
    expect(hit?.preview).toHaveLength(200);
  });

  test("says in which chunk the line is", async () => {
    const hits = await search(`${LONG}here\n`, "here", 50_000);
    const index = await indexLog(inPieces(`${LONG}here\n`, 50_000));
    expect(hits).toEqual([
      { line: 50_001, chunk: index.chunks.length - 1, offset: LONG.length, preview: "here" },
    ]);
  });
});
