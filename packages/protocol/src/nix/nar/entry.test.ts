import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openNarEntry, readNarParts, type NarEntry } from "./entry.ts";
import { NarError } from "./nar-error.ts";
import { encodeTree, type Tree } from "./tree.test-support.ts";

const file = (contents: string, isExecutable = false): Tree => ({
  type: "file",
  contents,
  isExecutable,
});
const directory = (entries: [string, Tree][]): Tree => ({ type: "directory", entries });

const tree = directory([
  ["a", file("the first")],
  [
    "bin",
    directory([
      ["run", file("#!/bin/sh", true)],
      ["same", { type: "symlink", target: "run" }],
    ]),
  ],
  ["bin-extra", directory([["run", file("another")]])],
  ["empty", directory([])],
  ["z", file("x".repeat(1000))],
]);

/** Gives pieces that are overwritten when the next one is asked for, as decoders do. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, undefined> {
  const piece = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(piece, 0, at, at + size);
    yield piece.subarray(0, length);
    piece.fill(0xff);
  }
}

async function textOf(contents: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const bytes of contents) text += Buffer.from(bytes).toString("latin1");
  return text;
}

const textOfPath = (path: readonly Buffer[]): string =>
  path.map((name) => name.toString("latin1")).join("/");

/** What an entry is, as a line for each part. */
async function describeEntry(entry: NarEntry | null): Promise<string[] | null> {
  if (entry === null) return null;
  await using _open = entry;
  if (entry.type === "symlink") return [`-> ${entry.target.toString()}`];
  if (entry.type === "regular") {
    const text = await textOf(entry.contents);
    return [`${entry.file.isExecutable ? "x" : "-"} ${text}`];
  }
  const lines: string[] = [];
  for await (const part of entry.parts) {
    if (part.type === "contents") {
      lines.push(`${lines.pop() ?? ""}${Buffer.from(part.bytes).toString("latin1")}`);
    } else {
      const target = part.type === "symlink" ? part.target.toString() : "";
      lines.push(`${part.type} ${textOfPath(part.path)} ${target}`);
    }
  }
  return lines;
}

const look = async (path: string[], size = 64): Promise<string[] | null> =>
  describeEntry(await openNarEntry(inPieces(encodeTree(tree), size), path));

describe("an entry of a NAR", () => {
  test("is found by its path, whatever pieces the NAR comes in", async () => {
    for (const size of [1, 7, 64, 100_000]) {
      expect(await look(["a"], size)).toEqual(["- the first"]);
      expect(await look(["bin", "run"], size)).toEqual(["x #!/bin/sh"]);
      expect(await look(["bin", "same"], size)).toEqual(["-> run"]);
      expect(await look(["z"], size)).toEqual([`- ${"x".repeat(1000)}`]);
    }
  });

  test("that is a directory tells what lies below, and nothing else", async () => {
    expect(await look(["bin"])).toEqual(["regular run #!/bin/sh", "symlink same run"]);
    expect(await look(["bin-extra"])).toEqual(["regular run another"]);
    expect(await look(["empty"])).toEqual([]);
    expect(await look([])).toHaveLength(8);
  });

  test("that is not there is null, also behind files, links and in the wrong case", async () => {
    const nowhere = [
      ["b"],
      ["a", "b"],
      ["bin", "same", "run"],
      ["bin", "runs"],
      ["zz"],
      ["A"],
      [""],
    ];
    for (const path of [...nowhere, ["..", "a"], ["bin", "..", "a"], ["bin/run"]]) {
      expect(await look(path)).toBeNull();
    }
  });

  test("can be the only file that the NAR is", async () => {
    const nar = encodeTree(file("alone"));
    expect(await describeEntry(await openNarEntry(inPieces(nar, 9), []))).toEqual(["- alone"]);
    expect(await openNarEntry(inPieces(nar, 9), ["alone"])).toBeNull();
  });
});

test("reading stops where the entry would be, and when it is disposed", async () => {
  let given = 0;
  let isClosed = false;
  async function* counted() {
    try {
      for await (const piece of inPieces(encodeTree(tree), 32)) {
        given += piece.length;
        yield piece;
      }
    } finally {
      isClosed = true;
    }
  }
  expect(await openNarEntry(counted(), ["aa"])).toBeNull();
  expect(isClosed).toBe(true);
  expect(given).toBeLessThan(500);
  isClosed = false;
  const entry = await openNarEntry(counted(), ["z"]);
  expect(isClosed).toBe(false);
  await entry?.[Symbol.asyncDispose]();
  expect(isClosed).toBe(true);
});

test("a damaged NAR is an error, not a file that is shorter", async () => {
  const nar = encodeTree(tree);
  const cut = nar.subarray(0, nar.length - 500);
  await expect(look.call(null, ["z"])).resolves.not.toBeNull();
  const entry = await openNarEntry(inPieces(cut, 64), ["z"]);
  await expect(describeEntry(entry)).rejects.toThrow(NarError);
});

test("the parts of any tree are those of its root, and every file is found with its contents", async () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }).filter((text) => {
    return !/[/\0]/.test(text) && text !== "." && text !== "..";
  });
  const files = fc.dictionary(name, fc.string({ unit: "binary-ascii", maxLength: 40 }));
  await fc.assert(
    fc.asyncProperty(files, fc.integer({ min: 1, max: 80 }), async (contents, size) => {
      const entries = Object.entries(contents)
        .map(([key, text]): [string, Tree] => [Buffer.from(key).toString("latin1"), file(text)])
        .toSorted(([a], [b]) => (a < b ? -1 : 1));
      const nar = encodeTree(directory(entries));
      const paths: string[] = [];
      for await (const part of readNarParts(inPieces(nar, size))) {
        if (part.type !== "contents") paths.push(textOfPath(part.path));
      }
      expect(paths).toEqual(["", ...entries.map(([key]) => key)]);
      for (const [key, text] of Object.entries(contents)) {
        const found = await describeEntry(await openNarEntry(inPieces(nar, size), [key]));
        expect(found).toEqual([`- ${text}`]);
      }
    }),
    { numRuns: 60 },
  );
});
