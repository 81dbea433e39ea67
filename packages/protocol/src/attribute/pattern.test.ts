import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAttributePath, parseAttributePath } from "./path.ts";
import {
  attributePatternSchema,
  formatPattern,
  isExcluded,
  parsePattern,
  PatternError,
  selectAttributes,
  type AttributeNode,
  type AttributePattern,
} from "./pattern.ts";

type Children = Record<string, AttributeNode>;

function node(kind: AttributeNode["kind"], children: Children, recurse = false): AttributeNode {
  return {
    kind,
    recurseForDerivations: recurse,
    children: () => new Map(Object.entries(children)),
  };
}

const set = (children: Children): AttributeNode => node("set", children);
const recursive = (children: Children): AttributeNode => node("set", children, true);
const opaque = (children: Children): AttributeNode => node("opaque", children);
const other = node("other", {});
const drv = node("derivation", {});

function select(pattern: string, root: AttributeNode): string[] {
  return selectAttributes(parsePattern(pattern), root).paths.map(formatAttributePath);
}

/** A flake's outputs in small. */
const flake = set({
  packages: set({
    "x86_64-linux": set({
      hello: drv,
      broken: drv,
      "python3.12": drv,
      scope: set({ inner: drv, deeper: set({ far: drv }) }),
      option: opaque({ hidden: drv }),
      version: other,
    }),
    "aarch64-linux": set({ hello: drv }),
  }),
  checks: set({ "x86_64-linux": set({ test: drv }) }),
  formatter: set({ "x86_64-linux": drv }),
  nixosConfigurations: set({
    host: opaque({ config: set({ system: set({ build: set({ toplevel: drv }) }) }) }),
  }),
  hydraJobs: set({ a: set({ b: set({ c: drv }), d: drv }) }),
});

describe("the examples of the contract", () => {
  test.each([
    [
      "packages.x86_64-linux.#",
      [
        "packages.x86_64-linux.broken",
        "packages.x86_64-linux.hello",
        'packages.x86_64-linux."python3.12"',
      ],
    ],
    [
      "packages.x86_64-linux.*",
      [
        "packages.x86_64-linux.broken",
        "packages.x86_64-linux.hello",
        'packages.x86_64-linux."python3.12"',
        "packages.x86_64-linux.scope.inner",
      ],
    ],
    [
      "packages.#.#",
      [
        "packages.aarch64-linux.hello",
        "packages.x86_64-linux.broken",
        "packages.x86_64-linux.hello",
        'packages.x86_64-linux."python3.12"',
      ],
    ],
    ["checks.*,formatter.*", ["checks.x86_64-linux.test", "formatter.x86_64-linux"]],
    [
      "nixosConfigurations.#.config.system.build.toplevel",
      ["nixosConfigurations.host.config.system.build.toplevel"],
    ],
    ['packages.x86_64-linux."python3.12"', ['packages.x86_64-linux."python3.12"']],
    ["hydraJobs.#.#.#", ["hydraJobs.a.b.c"]],
    ["*", ["formatter.x86_64-linux"]],
  ])("%s", (pattern, paths) => {
    expect(select(pattern, flake)).toEqual(paths);
  });

  test("packages.* is all systems and all packages, and the same as packages.*.*", () => {
    expect(select("packages.*", flake)).toEqual(select("packages.#.#", flake));
    expect(parsePattern("packages.*.*")).toEqual(parsePattern("packages.*"));
    expect(parsePattern("packages.#.#")).not.toEqual(parsePattern("packages.#"));
  });

  test("an exclusion takes one path away, also one with a dot in a name", () => {
    expect(select("packages.*,!packages.x86_64-linux.broken", flake)).toEqual([
      "packages.aarch64-linux.hello",
      "packages.x86_64-linux.hello",
      'packages.x86_64-linux."python3.12"',
    ]);
    expect(select('packages.#.#, !packages.#."python3.12"', flake)).not.toContain(
      'packages.x86_64-linux."python3.12"',
    );
  });
});

describe("what a pattern selects", () => {
  test("a star passes by opaque sets, '#' and names do not", () => {
    const root = set({ a: opaque({ b: drv }) });
    expect(select("*.b", root)).toEqual([]);
    expect(select("#.b", root)).toEqual(["a.b"]);
    expect(select("a.b", root)).toEqual(["a.b"]);
    expect(select("*", root)).toEqual([]);
  });

  test("two stars go down as far as recurseForDerivations says", () => {
    const root = set({
      top: drv,
      plain: set({ unseen: drv }),
      one: recursive({ a: drv, two: recursive({ b: drv, stop: set({ unseen: drv }) }) }),
      opaque: node("opaque", { unseen: drv }, true),
    });
    expect(select("**", root)).toEqual(["one.a", "one.two.b", "top"]);
    expect(select("plain.**", root)).toEqual(["plain.unseen"]);
    expect(select("**.b", root)).toEqual(["one.two.b"]);
    expect(select("**.#", root)).toEqual(["one.a", "one.two.b", "top"]);
    expect(select("**.stop.#", root)).toEqual(["one.two.stop.unseen"]);
  });

  test("two stars do not look into derivations", () => {
    const root = recursive({ a: node("derivation", { out: drv }, true) });
    expect(select("**", root)).toEqual(["a"]);
  });

  test("a root that is a derivation is selected by two stars, and has no name", () => {
    expect(selectAttributes(parsePattern("**"), drv).paths).toEqual([[]]);
  });

  test("what several alternatives select is there once", () => {
    expect(select("checks.*,checks.#.#,checks.x86_64-linux.test", flake)).toEqual([
      "checks.x86_64-linux.test",
    ]);
  });

  test("a path without wildcards that leads nowhere is reported, a wildcard is not", () => {
    const pattern = parsePattern("checks.x86_64-linux.test,packages.no.such,formatter,nothing.*");
    expect(selectAttributes(pattern, flake).missing).toEqual([
      ["packages", "no", "such"],
      ["formatter"],
    ]);
  });

  test("only what a pattern leads to is looked at", () => {
    const trap: AttributeNode = {
      kind: "set",
      children: () => {
        throw new Error("evaluated");
      },
    };
    expect(select("a.b", set({ a: set({ b: drv }), trap }))).toEqual(["a.b"]);
    expect(select("**", set({ a: drv, trap }))).toEqual(["a"]);
  });
});

describe("exclusions", () => {
  test.each([
    ["a.#", ["a.b"], ["a", "a.b.c"]],
    ["a.*", ["a.b", "a.b.c"], ["a", "a.b.c.d"]],
    ["a.**", ["a", "a.b", "a.b.c.d"], ["b.a"]],
    ["**.b", ["b", "a.b", "a.a.b"], ["b.a"]],
    ["#.**.c", ["a.c", "a.b.c"], ["c", "a.b"]],
    ["*.b", ["a.b"], ["b", "a.a.b"]],
    ['"a.b"', ['"a.b"'], ["a.b"]],
  ])("!%s takes away %j and not %j", (pattern, excluded, kept) => {
    const parsed = parsePattern(`x,!${pattern}`);
    for (const path of excluded) expect(isExcluded(parsed, parseAttributePath(path))).toBe(true);
    for (const path of kept) expect(isExcluded(parsed, parseAttributePath(path))).toBe(false);
  });

  test("many wildcards take no time", () => {
    const pattern = parsePattern(`x,!${Array.from({ length: 30 }, () => "**.a").join(".")}.b`);
    expect(
      isExcluded(
        pattern,
        Array.from({ length: 200 }, () => "a"),
      ),
    ).toBe(false);
  });
});

describe("the text of patterns", () => {
  const name = fc.oneof(
    fc.string().filter((text) => !/^(?:\*\*?|#|!)$/.test(text)),
    fc.constantFrom("a", "x86_64-linux", "python3.12", "", "a b", ',"'),
  );
  const segments = fc
    .array(
      fc.oneof(
        fc.record({ kind: fc.constant("name" as const), name }),
        fc.record({ kind: fc.constantFrom("each" as const, "star" as const, "deep" as const) }),
      ),
      { minLength: 1, maxLength: 5 },
    )
    .filter((list) => !(list.length === 1 && list[0]?.kind === "each"))
    .filter((list) =>
      list.every(
        ({ kind }, at) =>
          !(at > 0 && kind !== "name" && kind !== "each" && list[at - 1]?.kind === kind),
      ),
    );
  const patterns: fc.Arbitrary<AttributePattern> = fc
    .record({ include: fc.array(segments), exclude: fc.array(segments) })
    .filter(({ include, exclude }) => include.length + exclude.length > 0);

  test("every pattern comes back from its text and from its JSON", () => {
    fc.assert(
      fc.property(patterns, (pattern) => {
        expect(parsePattern(formatPattern(pattern))).toEqual(pattern);
        expect(attributePatternSchema.parse(JSON.parse(JSON.stringify(pattern)))).toEqual(pattern);
      }),
    );
  });

  test("spaces may follow a comma", () => {
    expect(parsePattern("a.*,  !a.b")).toEqual(parsePattern("a.*,!a.b"));
  });

  test.each([
    ["", 0, "the pattern is empty"],
    [" a", 0, "white space is only allowed as spaces after a comma"],
    ["a ", 1, '" " cannot be a part'],
    ["a b", 1, '" " cannot be a part'],
    ["a ,b", 1, '" " cannot be a part'],
    ["a,", 2, "a pattern or a name is missing"],
    ["a, ", 3, "a pattern or a name is missing"],
    ["a,,b", 2, "a pattern or a name is missing"],
    [",a", 0, "a pattern or a name is missing"],
    ["!", 1, "a pattern or a name is missing"],
    ["!!a", 1, "'!' can only stand once"],
    ["a.!b", 2, "'!' can only stand once"],
    ["a!b", 1, '"!" cannot be a part'],
    ["#", 0, "'#' cannot stand alone"],
    ["a,!#", 3, "'#' cannot stand alone"],
    [".a", 0, "a name is missing"],
    ["a..b", 2, "a name is missing"],
    ["a.", 2, "a pattern or a name is missing"],
    ["a.b*", 3, '"*" cannot be a part'],
    ["a.*b", 3, '"b" cannot be a part'],
    ["a.***", 4, '"*" cannot be a part'],
    ['a."b', 2, "this quote is not closed"],
    ['a."b"c', 5, '"c" cannot be a part'],
    ['a."*"', 2, "'*' in quotes is no wildcard"],
    ['a."#"', 2, "'#' in quotes is no wildcard"],
    ['"!"', 0, "'!' in quotes is no wildcard"],
    ["a.(b)", 2, 'the character "(" has to stand in quotes'],
  ])("%j is refused at %i: %s", (text, position, message) => {
    let error: unknown;
    try {
      parsePattern(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PatternError);
    expect(error).toMatchObject({ position });
    expect(String(error)).toContain(message);
  });

  test("no text fails with another error", () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab.,!*#" \\$'.split("")), maxLength: 12 });
    fc.assert(
      fc.property(text, (given) => {
        let pattern: AttributePattern;
        try {
          pattern = parsePattern(given);
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError);
          return;
        }
        expect(parsePattern(formatPattern(pattern))).toEqual(pattern);
      }),
      { numRuns: 1000 },
    );
  });
});
