import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { NarError } from "./nar-error.ts";
import { NarReader } from "./reader.ts";
import { encodeTree, TreeBuilder, type Tree } from "./tree.test-support.ts";
import { dumpPath, dumpPathSync } from "./writer.ts";

const bytes = fc
  .uint8Array({ maxLength: 40 })
  .map((array) => Buffer.from(array).toString("latin1"));
const longBytes = fc.nat(2000).map((length) => "x".repeat(length));

const names = fc
  .string({
    unit: fc.constantFrom(..."abcAB.-_ \n\"'\\\xff\xc3".split("")),
    minLength: 1,
    maxLength: 12,
  })
  .filter((name) => name !== "." && name !== "..");

/** Trees that can also lie on a disk: sorted by bytes, no name twice. */
const trees: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({
      type: fc.constant("file" as const),
      contents: fc.oneof(bytes, longBytes),
      isExecutable: fc.boolean(),
    }),
    fc.record({ type: fc.constant("symlink" as const), target: names }),
    fc.record({
      type: fc.constant("directory" as const),
      entries: fc
        .uniqueArray(fc.tuple(names, tie("tree")), { maxLength: 5, selector: ([name]) => name })
        .map((entries) => entries.sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  ),
})).tree;

function readTree(nar: Buffer): Tree | null {
  const builder = new TreeBuilder();
  const reader = new NarReader(builder);
  reader.write(nar);
  reader.end();
  return builder.root;
}

const directory = mkdtempSync(join(tmpdir(), "gradient-trees-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

let made = 0;
function place(): string {
  made += 1;
  return join(directory, `tree-${made}`);
}

function writeTree(tree: Tree, path: Buffer): void {
  switch (tree.type) {
    case "file":
      writeFileSync(path, Buffer.from(tree.contents, "latin1"));
      if (tree.isExecutable) chmodSync(path, 0o755);
      break;
    case "symlink":
      symlinkSync(Buffer.from(tree.target, "latin1"), path);
      break;
    case "directory":
      mkdirSync(path);
      // Backwards, so that no file system hands the names out in the right order by chance.
      for (const [name, node] of tree.entries.toReversed()) {
        writeTree(node, Buffer.concat([path, Buffer.from(`/${name}`, "latin1")]));
      }
  }
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe("the NAR reader, for any tree", () => {
  test("gives back every tree, however the bytes are cut into chunks", () => {
    fc.assert(
      fc.property(trees, fc.array(fc.integer({ min: 1, max: 200 })), (tree, sizes) => {
        const nar = encodeTree(tree);
        const builder = new TreeBuilder();
        const reader = new NarReader(builder);
        let at = 0;
        for (const size of sizes) {
          reader.write(nar.subarray(at, at + size));
          at += size;
        }
        reader.write(nar.subarray(at));
        reader.end();
        expect(builder.root).toEqual(tree);
        expect(reader.offset).toBe(nar.length);
      }),
    );
  });

  test("accepts nothing but what a writer writes: damaged bytes are refused, or are another tree's NAR", () => {
    const damage = fc.record({
      at: fc.nat(),
      cut: fc.nat(9),
      insert: fc.uint8Array({ maxLength: 9 }),
    });
    fc.assert(
      fc.property(trees, damage, (tree, { at, cut, insert }) => {
        const nar = encodeTree(tree);
        const place = at % nar.length;
        const damaged = Buffer.concat([nar.subarray(0, place), insert, nar.subarray(place + cut)]);
        let result: Tree | null;
        try {
          result = readTree(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(NarError);
          return;
        }
        expect(result && encodeTree(result).equals(damaged)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the NAR writer, for any tree", () => {
  test("writes every tree on disk as the book says, in both ways", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const path = place();
        writeTree(tree, Buffer.from(path));
        const expected = encodeTree(tree);
        expect(Buffer.concat([...dumpPathSync(path)]).equals(expected)).toBe(true);
        expect((await collect(dumpPath(path))).equals(expected)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
