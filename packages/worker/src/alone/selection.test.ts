import { describe, expect, test } from "vitest";
import { type Asked, inOrder, selectionsOf } from "./selection.ts";
import type { Target } from "./target.ts";

const FILE: Target = {
  text: ".",
  subject: { type: "file", file: "/x/default.nix", arguments: [] },
  attribute: [],
};

function flake(...attribute: string[]): Target {
  return { text: ".#", subject: { type: "flake", reference: "/x" }, attribute };
}

function patterns(target: Target, asked: Partial<Asked> = {}): (readonly string[])[] {
  const whole = { attributes: [], pattern: null, ...asked };
  return selectionsOf(target, whole, "s").map((selection) => selection.patterns);
}

describe("what is selected", () => {
  test.each([
    ["everything that recursion reaches", {}, "**"],
    ["a derivation or a set by its name", { attributes: ["a.b"] }, "a.b.**"],
    ["several names at once", { attributes: ["a", '"x.y"'] }, 'a.**,"x.y".**'],
    ["a pattern", { pattern: "a.*,!a.c" }, "a.*,!a.c"],
    ["names and a pattern", { attributes: ["x"], pattern: "a.*,!x.y" }, "x.**,a.*,!x.y"],
  ])("of a file: %s", (_what, asked, pattern) => {
    expect(patterns(FILE, asked)).toEqual([[pattern]]);
  });

  test("of a flake: the packages of this system go before plain paths, name by name", () => {
    expect(patterns(flake("hello"))).toEqual([
      ["packages.s.hello.**", "legacyPackages.s.hello.**", "hello.**"],
    ]);
    expect(patterns(flake(), { attributes: ["a", "b"] })).toHaveLength(2);
    expect(patterns(flake())).toEqual([["packages.s.default.**", "defaultPackage.s.**"]]);
  });

  test("of a flake: a pattern begins at its outputs", () => {
    expect(patterns(flake(), { pattern: "checks.#.#" })).toEqual([["checks.#.#"]]);
  });

  test.each([
    [FILE, { attributes: ["a..b"] }, "-A 'a..b'"],
    [FILE, { pattern: "a," }, "pattern"],
    [flake("hello"), { attributes: ["a"] }, "leave out -A and --pattern"],
    [flake("hello"), { pattern: "a" }, "leave out -A and --pattern"],
  ])("is refused with a reason: %#", (target, asked, reason) => {
    expect(() => patterns(target, asked)).toThrow(reason);
  });
});

test("results come in the order that was asked for, then by name, however evaluation went", () => {
  const [selection] = selectionsOf(
    FILE,
    { attributes: ["z", "a", "z.y", "z.b.dev"], pattern: null },
    "s",
  );
  if (selection === undefined) throw new Error("nothing is selected");
  const jobs = [
    ["a", "10"],
    ["z", "y"],
    ["a", "2"],
    ["z", "b", "dev"],
    ["z", "b"],
  ].map((attribute) => ({ attribute }));
  expect(inOrder(selection, jobs).map(({ attribute }) => attribute.join("."))).toEqual([
    "z.b",
    "z.y",
    "a.2",
    "a.10",
    "z.y",
    "z.b.dev",
  ]);
});
