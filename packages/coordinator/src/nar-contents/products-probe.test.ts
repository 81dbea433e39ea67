import { NarReader } from "@gradient/protocol";
import { expect, test } from "vitest";
import { parseBuildProducts } from "./build-products.ts";
import { narOfTree, type TestTree } from "./nar-tree.test-support.ts";
import { ProductsProbe } from "./products-probe.ts";

const BASE = "0a0b0c0d0f0g0h0i0j0k0l0m0n0p0q0r-thing";
const own = (path: string) => `/nix/store/${BASE}${path}`;

async function productsOf(tree: TestTree) {
  const probe = new ProductsProbe();
  const reader = new NarReader(probe);
  const nar = await narOfTree(tree);
  for (let at = 0; at < nar.length; at += 100) reader.write(nar.subarray(at, at + 100));
  reader.end();
  return probe.products();
}

test("lines have a type, a subtype and a path, which may stand in quotes", () => {
  const text = [
    `file iso ${own("/disk.iso")}`,
    `  doc   manual "${own("/share/my doc")}" index.html`,
    `nix-build x86_64 ${own("")}`,
    `file odd ${own("/a/./b/../c//d/")}`,
  ].join("\n");
  expect(parseBuildProducts(text)).toEqual([
    { type: "file", subtype: "iso", base: BASE, names: ["disk.iso"] },
    { type: "doc", subtype: "manual", base: BASE, names: ["share", "my doc"] },
    { type: "nix-build", subtype: "x86_64", base: BASE, names: [] },
    { type: "file", subtype: "odd", base: BASE, names: ["a", "c", "d"] },
  ]);
});

test("lines that are none, and paths out of the store path, are skipped", () => {
  const text = `\n# a comment\nfile ${own("/x")}\nfile iso /etc/passwd\nfile iso ${own("/../y")}\nfile iso /nix/store/short\n`;
  expect(parseBuildProducts(text)).toEqual([]);
});

test("kind and size are those of what the path leads to", async () => {
  const lines = ["a.txt", "dir", "link", "away", "none"].map((name) => `file x ${own(`/${name}`)}`);
  const products = await productsOf({
    "a.txt": "12345",
    "dir/file": "",
    link: { link: "./a.txt" },
    away: { link: "/nix/store/elsewhere" },
    "nix-support/hydra-build-products": lines.join("\n"),
  });
  expect(products.map(({ names, kind, size }) => [names.join("/"), kind, size])).toEqual([
    ["a.txt", "file", 5],
    ["dir", "directory", null],
    ["link", "file", 5],
    ["away", null, null],
    ["none", null, null],
  ]);
});

test("a NAR without the file, or with something else in its place, names nothing", async () => {
  expect(await productsOf({ "nix-support/other": "file x y" })).toEqual([]);
  expect(await productsOf({ "nix-support/hydra-build-products/x": "file x y" })).toEqual([]);
  expect(await productsOf({ "a/nix-support/hydra-build-products": `file x ${own("/a")}` })).toEqual(
    [],
  );
  const long = `file x ${own("/a")}\n`.repeat(10_000);
  expect(await productsOf({ "nix-support/hydra-build-products": long })).toEqual([]);
});
