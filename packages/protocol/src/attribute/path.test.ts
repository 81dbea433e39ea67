import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AttributePathError,
  compareAttributePaths,
  formatAttributePath,
  parseAttributePath,
} from "./path.ts";

const names = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(..."ab.\"\\${}\n\t' *#!,-_0".split("")), maxLength: 8 }),
  fc.constantFrom("if", "or", "x86_64-linux", "python3.12", "3proxy", "libc++"),
);

describe("attribute paths", () => {
  test("every path comes back from its text", () => {
    fc.assert(
      fc.property(fc.array(names), (path) => {
        expect(parseAttributePath(formatAttributePath(path))).toEqual(path);
      }),
    );
  });

  test.each([
    ["", []],
    ["a", ["a"]],
    ["packages.x86_64-linux.hello", ["packages", "x86_64-linux", "hello"]],
    ['a."b.c".d', ["a", "b.c", "d"]],
    ['"a\\"b\\\\c\\n\\${d}"', ['a"b\\c\n${d}']],
    ["3proxy.libc++", ["3proxy", "libc++"]],
    ['""', [""]],
  ])("%s is read as %j", (text, path) => {
    expect(parseAttributePath(text)).toEqual(path);
  });

  test.each([
    [["python3.12"], '"python3.12"'],
    [["a", "with", "b"], 'a."with".b'],
    [["a'", "_b-c"], "a'._b-c"],
    [["3proxy"], '"3proxy"'],
    [["$x", "${y}"], '"$x"."\\${y}"'],
  ])("%j is printed as Nix needs it", (path, text) => {
    expect(formatAttributePath(path)).toBe(text);
  });

  test.each([
    [".a", "at character 1: a name is missing"],
    ["a.", "at character 3: a name is missing"],
    ["a..b", "at character 3: a name is missing"],
    ["a b", "at character 2: a dot has to follow the name 'a'"],
    ['a."b', "at character 3: this quote is not closed"],
    ['a."b\\', "at character 3: this quote is not closed"],
    ['"a"b', "at character 4: a dot has to follow the name 'a'"],
    ['"${a}"', "at character 2: write \\${"],
    ["a.*", 'at character 3: the character "*" has to stand in quotes'],
  ])("%s is refused: %s", (text, message) => {
    expect(() => parseAttributePath(text)).toThrow(AttributePathError);
    expect(() => parseAttributePath(text)).toThrow(message);
  });

  test("no text fails with another error", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab."\\$ {*'.split("")) }), (text) => {
        try {
          parseAttributePath(text);
        } catch (error) {
          expect(error).toBeInstanceOf(AttributePathError);
        }
      }),
    );
  });

  test("paths sort by their names, shorter ones first", () => {
    const paths = [["b"], ["a", "c"], ["a"], ["a", "b", "c"], ["a", "b"], []];
    expect(paths.sort(compareAttributePaths)).toEqual([
      [],
      ["a"],
      ["a", "b"],
      ["a", "b", "c"],
      ["a", "c"],
      ["b"],
    ]);
  });
});
