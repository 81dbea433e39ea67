import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { PrivateStore } from "../private-store.test-support.ts";
import { NarReader } from "./reader.ts";
import { encodeTree, type Tree } from "./tree.test-support.ts";

const store = new PrivateStore();
const places = join(store.directory, "restored");
mkdirSync(places);
afterAll(() => store.remove());

const leaf = (contents: string): Tree => ({ type: "file", contents, isExecutable: false });
const tree: Tree = {
  type: "directory",
  entries: [
    ["a", leaf("some text")],
    [
      "bin",
      {
        type: "directory",
        entries: [["run", { type: "file", contents: "#!", isExecutable: true }]],
      },
    ],
    ["empty", { type: "directory", entries: [] }],
    ["link", { type: "symlink", target: "a" }],
    ["z", leaf("")],
  ],
};
const nar = encodeTree(tree);

/** One change: a byte, a word of 8 bytes that is gone, twice, or swapped with another one, a cut, or a tail. */
const mutation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("byte"),
      at: fc.nat(),
      by: fc.integer({ min: 1, max: 255 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("drop", "double", "swap", "cut", "tail"),
      at: fc.nat(),
      by: fc.nat(),
    }),
  },
);

function mutate(bytes: Buffer, { kind, at, by }: { kind: string; at: number; by: number }): Buffer {
  const count = bytes.length / 8;
  const word = (n: number): Buffer => bytes.subarray((n % count) * 8, (n % count) * 8 + 8);
  const before = bytes.subarray(0, (at % count) * 8);
  const after = bytes.subarray((at % count) * 8 + 8);
  switch (kind) {
    case "byte": {
      const copy = Buffer.from(bytes);
      copy[at % bytes.length] = (copy[at % bytes.length] ?? 0) ^ by;
      return copy;
    }
    case "drop":
      return Buffer.concat([before, after]);
    case "double":
      return Buffer.concat([before, word(at), word(at), after]);
    case "swap":
      return Buffer.concat([before, word(by), after]);
    case "cut":
      return bytes.subarray(0, at % bytes.length);
    default:
      return Buffer.concat([bytes, Buffer.alloc((by % 24) + 1, by)]);
  }
}

function accepts(bytes: Buffer): boolean {
  const reader = new NarReader();
  try {
    reader.write(bytes);
    reader.end();
    return true;
  } catch {
    return false;
  }
}

/** Whether Nix unpacks it; and packs it again to the same bytes. */
function nixRestores(bytes: Buffer): boolean {
  const place = join(places, String(readdirSync(places).length));
  const file = join(store.directory, "mutated.nar");
  writeFileSync(file, bytes);
  try {
    execFileSync("sh", ["-c", 'exec nix-store --restore "$1" < "$2"', "sh", place, file], {
      stdio: "pipe",
    });
    return store.runBytes("nix-store", "--dump", place).equals(bytes);
  } catch {
    return false;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

test("a NAR that Nix does not unpack is never accepted, however it was changed", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), (mutations) => {
      const bytes = mutations.reduce(mutate, nar);
      if (!accepts(bytes)) return;
      accepted += 1;
      // Each costs two processes; what is refused here costs none.
      if (accepted <= 15) expect(nixRestores(bytes)).toBe(true);
    }),
    { numRuns: 4000 },
  );
  expect(accepted).toBeGreaterThan(10);
});
