import { describe, expect, test } from "vitest";
import { NarError } from "./nar-error.ts";
import { NarReader, type NarLimits } from "./reader.ts";
import { encodeTree, TreeBuilder, words, type Tree } from "./tree.test-support.ts";

function read(nar: Buffer, limits: Partial<NarLimits> = {}): void {
  const reader = new NarReader({}, limits);
  reader.write(nar);
  reader.end();
}

function errorOf(run: () => unknown): NarError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(NarError);
    if (error instanceof NarError) return error;
  }
  throw new Error("nothing was thrown");
}

const file = (contents = ""): Tree => ({ type: "file", contents, isExecutable: false });
const directory = (...entries: [string, Tree][]): Tree => ({ type: "directory", entries });
const nest = (depth: number): Tree => (depth === 0 ? file() : directory(["d", nest(depth - 1)]));

describe("the NAR reader", () => {
  test("takes single bytes", () => {
    const nar = encodeTree(directory(["a", file("contents")], ["b", file()]));
    const reader = new NarReader();
    for (let at = 0; at < nar.length; at++) reader.write(nar.subarray(at, at + 1));
    reader.end();
    expect(reader.offset).toBe(nar.length);
  });

  test("says where the contents of each file begin", () => {
    const nar = encodeTree(directory(["a", file("first")], ["b", { ...file("second") }]));
    const builder = new TreeBuilder();
    const reader = new NarReader(builder);
    reader.write(nar);
    expect(builder.offsets).toEqual([nar.indexOf("first"), nar.indexOf("second")]);
  });

  test("hands out contents without copying them", () => {
    const nar = encodeTree(file("x".repeat(5000)));
    const buffers: ArrayBufferLike[] = [];
    const reader = new NarReader({ fileChunk: (chunk) => buffers.push(chunk.buffer) });
    reader.write(nar);
    expect(buffers).toEqual([nar.buffer]);
    expect(buffers[0]).toBe(nar.buffer);
  });

  test("notices the change of any single bit outside of file contents", () => {
    const nar = encodeTree(
      directory(
        ["a", { type: "file", contents: "", isExecutable: true }],
        ["b", directory(["c", { type: "symlink", target: "c" }])],
      ),
    );
    let accepted = 0;
    for (let bit = 0; bit < nar.length * 8; bit++) {
      const damaged = Buffer.from(nar);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        read(damaged);
        accepted += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(NarError);
      }
    }
    // What is left are other, right names for entries and targets: each of one letter, with up to 8 bits to change.
    expect(accepted).toBeLessThan(4 * 8);
  });

  const entry = (name: string): Buffer =>
    Buffer.concat([
      words("entry", "(", "name", name, "node", "(", "type", "symlink", "target", "x", ")", ")"),
    ]);
  const head = words("nix-archive-1", "(", "type", "directory");
  const withEntries = (...names: string[]): Buffer =>
    Buffer.concat([head, ...names.map(entry), words(")")]);

  test.each([
    ["", "a name of 0 bytes"],
    [".", "the name '.' or '..'"],
    ["..", "the name '.' or '..'"],
    ["a/b", "a name with a slash"],
    ["a\0b", "a name with a zero byte"],
    ["a~nix~case~hack~1", "case hack"],
    ["a".repeat(256), "a name of 256 bytes"],
  ])("refuses the name %j", (name, message) => {
    const error = errorOf(() => {
      read(withEntries(name));
    });
    expect(error.code).toBe("bad-name");
    expect(error.message).toContain(message);
  });

  test.each([
    ["b", "a"],
    ["a", "a"],
    ["ab", "a"],
    ["\xc3", "z"],
  ])("refuses the names %j, %j in this order", (first, second) => {
    const error = errorOf(() => {
      read(withEntries(first, second));
    });
    expect(error.code).toBe("bad-order");
  });

  test("orders names by bytes, not by letters", () => {
    const nar = withEntries("B", "a", "ab", "b", "\x7f", "\xc3\xa9");
    const builder = new TreeBuilder();
    new NarReader(builder).write(nar);
    expect(builder.root && encodeTree(builder.root).equals(nar)).toBe(true);
  });

  test.each([
    ["another archive", words("nix-archive-2"), "bad-nar"],
    ["a node of no known type", words("nix-archive-1", "(", "type", "fifo....", ")"), "bad-nar"],
    ["a type twice", words("nix-archive-1", "(", "type", "type"), "bad-nar"],
    [
      "a file without contents",
      words("nix-archive-1", "(", "type", "regular", ")", ")"),
      "bad-nar",
    ],
    [
      "an executable mark with a value",
      words("nix-archive-1", "(", "type", "regular", "executable", "x", "contents", "", ")"),
      "bad-nar",
    ],
    [
      "a link without a target",
      words("nix-archive-1", "(", "type", "symlink", "target", "", ")"),
      "bad-name",
    ],
    [
      "a target with a zero byte",
      words("nix-archive-1", "(", "type", "symlink", "target", "a\0b", ")"),
      "bad-nar",
    ],
    ["data after its end", Buffer.concat([encodeTree(file()), Buffer.alloc(1)]), "trailing-data"],
    ["nothing in it", Buffer.alloc(0), "truncated"],
  ])("refuses a NAR with %s", (_, nar, code) => {
    expect(
      errorOf(() => {
        read(nar);
      }).code,
    ).toBe(code);
  });

  test("refuses every beginning of a NAR as cut off", () => {
    const nar = encodeTree(
      directory(["a", file("contents")], ["b", { type: "symlink", target: "x" }]),
    );
    for (let length = 0; length < nar.length; length++) {
      const error = errorOf(() => {
        read(nar.subarray(0, length));
      });
      expect([error.code, error.offset]).toEqual(["truncated", length]);
    }
  });

  test("names the place of the fault", () => {
    const inner = words("entry", "(", "name", "sub", "node", "(", "type", "directory");
    const nar = Buffer.concat([head, inner, entry("ok"), entry("..")]);
    const error = errorOf(() => {
      read(nar);
    });
    expect(error.entryPath).toBe("sub");
    expect(error.message).toMatch(/^bad NAR at byte \d+ in 'sub': it has an entry with the name/);
    const padding = encodeTree(directory(["dir", directory(["file", file("abc")])]));
    padding[padding.indexOf("abc") + 4] = 1;
    const other = errorOf(() => {
      read(padding);
    });
    expect(other.offset).toBe(padding.indexOf("abc") + 4);
  });

  test("keeps to its limit of depth", () => {
    read(encodeTree(nest(64)));
    expect(
      errorOf(() => {
        read(encodeTree(nest(65)));
      }).code,
    ).toBe("too-deep");
    expect(
      errorOf(() => {
        read(encodeTree(nest(3)), { maxDepth: 2 });
      }).code,
    ).toBe("too-deep");
    read(encodeTree(file()), { maxDepth: 0 });
  });

  test("keeps to its limit of size, and refuses a too large file before its contents come", () => {
    const nar = encodeTree(file("Z".repeat(1000)));
    read(nar, { maxNarSize: nar.length });
    expect(
      errorOf(() => {
        read(nar, { maxNarSize: nar.length - 1 });
      }).code,
    ).toBe("too-large");
    const reader = new NarReader({}, { maxNarSize: 500 });
    expect(
      errorOf(() => {
        reader.write(nar.subarray(0, nar.indexOf("Z")));
      }).code,
    ).toBe("too-large");
  });

  test("is not fooled by a file of nearly 2^64 bytes", () => {
    const nar = encodeTree(file("Z"));
    nar.fill(0xff, nar.indexOf("Z") - 8, nar.indexOf("Z"));
    expect(
      errorOf(() => {
        read(nar);
      }).code,
    ).toBe("too-large");
  });

  test("keeps to its limit of entries", () => {
    read(withEntries("a", "b"), { maxEntries: 2 });
    expect(
      errorOf(() => {
        read(withEntries("a", "b", "c"), { maxEntries: 2 });
      }).code,
    ).toBe("too-large");
  });

  test("stays failed after the first fault", () => {
    const nar = encodeTree(file());
    const reader = new NarReader();
    const first = errorOf(() => {
      reader.write(Buffer.alloc(100));
    });
    expect(
      errorOf(() => {
        reader.write(nar);
      }),
    ).toBe(first);
    expect(
      errorOf(() => {
        reader.end();
      }),
    ).toBe(first);
  });

  test("an error of the visitor ends it, too", () => {
    const fault = new Error("disk full");
    const reader = new NarReader({
      fileEnd: () => {
        throw fault;
      },
    });
    expect(() => {
      reader.write(encodeTree(file()));
    }).toThrow(fault);
    expect(() => {
      reader.end();
    }).toThrow(fault);
  });
});
