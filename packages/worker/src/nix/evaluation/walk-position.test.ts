import { describe, expect, test } from "vitest";
import { WalkPosition, isFrom } from "./walk-position.ts";

describe("the position of a walker", () => {
  test("the later half of the longest set is taken", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c"]);
    expect(position.split(null)).toBeNull();
    position.enter(["a"]);
    expect(position.split(null)).toEqual(["c"]);
    position.list(["a"], ["p", "q", "r", "s", "t"]);
    position.enter(["a", "p"]);
    expect(position.remaining(null)).toBe(4);
    expect(position.split(null)).toEqual(["a", "s"]);
    expect(position.split(["a", "s"])).toEqual(["a", "r"]);
  });

  test("less is taken by what the walker does before the other begins, but always a quarter", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    position.enter(["a"]);
    expect(position.split(null)).toEqual(["f"]);
    expect(position.split(null, 2)).toEqual(["g"]);
    expect(position.split(null, 100)).toEqual(["h"]);
  });

  test("when one is left, the walker keeps what it is at", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b"]);
    position.enter(["a"]);
    position.enter(["a", "x"]);
    expect(position.split(null)).toEqual(["b"]);
    position.enter(["b"]);
    expect(position.split(null)).toBeNull();
  });

  test("what was taken away is not counted", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c", "d", "e"]);
    position.enter(["b"]);
    expect(position.remaining(["e"])).toBe(2);
    expect(position.split(["e"])).toEqual(["d"]);
    expect(position.remaining(["e", "x"])).toBe(3);
    expect(position.remaining(["c"])).toBe(0);
  });

  test("another one comes from the last name of the outermost set, unless most is left within it", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b"]);
    position.enter(["a"]);
    expect(position.last(null)).toEqual(["b"]);
    position.list(["a"], ["p", "q", "r"]);
    position.enter(["a", "p"]);
    expect(position.last(null)).toBeNull();
    expect(position.last(["b"])).toEqual(["a", "r"]);
    expect(position.last(["a", "r"])).toEqual(["a", "q"]);
    expect(position.last(["a", "q"])).toBeNull();
  });
});

describe("a bound", () => {
  test.each([
    [["b"], ["a"], true],
    [["a"], ["a"], true],
    [["a", "z"], ["a"], true],
    [["a"], ["a", "b"], false],
    [["a", "a"], ["a", "b"], false],
    [["a", "c"], ["a", "b"], true],
    [["B"], ["a"], false],
    // U+FF5E comes before U+1F600 in bytes, and behind it in JavaScript.
    [["\u{1F600}"], ["\uFF5E"], true],
  ])("%j against %j: %s", (path, from, expected) => {
    expect(isFrom(path, from)).toBe(expected);
  });
});
