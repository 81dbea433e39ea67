import { expect, test } from "vitest";
import { NarListingBuilder, type NarListing } from "./listing.ts";
import { NarReader } from "./reader.ts";
import { encodeTree, words, type Tree } from "./tree.test-support.ts";

function listingOf(tree: Tree): NarListing {
  const builder = new NarListingBuilder();
  const reader = new NarReader(builder);
  reader.write(encodeTree(tree));
  reader.end();
  return builder.listing();
}

test("a listing has the shape that binary caches publish", () => {
  const tree: Tree = {
    type: "directory",
    entries: [
      [
        "bin",
        {
          type: "directory",
          entries: [["run", { type: "file", contents: "#!", isExecutable: true }]],
        },
      ],
      ["empty", { type: "file", contents: "", isExecutable: false }],
      ["link", { type: "symlink", target: "bin/run" }],
    ],
  };
  const nar = encodeTree(tree);
  expect(JSON.parse(JSON.stringify(listingOf(tree)))).toEqual({
    version: 1,
    root: {
      type: "directory",
      entries: {
        bin: {
          type: "directory",
          entries: {
            run: { type: "regular", size: 2, executable: true, narOffset: nar.indexOf("#!") },
          },
        },
        empty: {
          type: "regular",
          size: 0,
          narOffset: nar.indexOf(words(")", ")", "entry"), nar.indexOf("empty")),
        },
        link: { type: "symlink", target: "bin/run" },
      },
    },
  });
});

test("names that mean something to JavaScript are only names", () => {
  const tree: Tree = {
    type: "directory",
    entries: ["__proto__", "constructor"].map((name) => [name, { type: "symlink", target: "x" }]),
  };
  const text = JSON.stringify(listingOf(tree));
  expect(text).toContain('"__proto__":{"type":"symlink"');
  expect(text).toContain('"constructor":{"type":"symlink"');
});

test("the listing of half a NAR cannot be had", () => {
  expect(() => new NarListingBuilder().listing()).toThrow("before its end");
});
