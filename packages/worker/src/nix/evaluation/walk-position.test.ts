import { describe, expect, test } from "vitest";
import { WalkPosition, isBeyond } from "./walk-position.ts";

describe("the position of a walker", () => {
  test("the later half of the longest set is taken", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c"]);
    expect(position.split(null)).toBeNull();
    position.enter(["a"]);
    expect(position.split(null)).toEqual(["b"]);
    position.list(["a"], ["p", "q", "r", "s", "t"]);
    position.enter(["a", "p"]);
    expect(position.remaining(null)).toBe(4);
    expect(position.split(null)).toEqual(["a", "r"]);
    expect(position.split(["a", "r"])).toEqual(["a", "q"]);
  });

  test("less is taken by what the walker does before the other begins, but always a quarter", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    position.enter(["a"]);
    expect(position.split(null)).toEqual(["e"]);
    expect(position.split(null, 2)).toEqual(["f"]);
    expect(position.split(null, 100)).toEqual(["g"]);
  });

  test("when one is left, the walker keeps what it is at", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b"]);
    position.enter(["a"]);
    position.enter(["a", "x"]);
    expect(position.split(null)).toEqual(["a"]);
    position.enter(["b"]);
    expect(position.split(null)).toBeNull();
  });

  test("what was taken away is not counted", () => {
    const position = new WalkPosition();
    position.list([], ["a", "b", "c", "d", "e"]);
    position.enter(["b"]);
    expect(position.remaining(["d"])).toBe(2);
    expect(position.split(["d"])).toEqual(["c"]);
    expect(position.remaining(["b"])).toBe(0);
    expect(position.remaining(["a"])).toBe(0);
  });
});

describe("a bound", () => {
  test.each([
    [["b"], ["a"], true],
    [["a"], ["a"], false],
    [["a", "z"], ["a"], false],
    [["a"], ["a", "b"], false],
    [["a", "c"], ["a", "b"], true],
    [["B"], ["a"], false],
    // U+FF5E comes before U+1F600 in bytes, and behind it in JavaScript.
    [["\u{1F600}"], ["\uFF5E"], true],
  ])("%j against %j: %s", (path, until, expected) => {
    expect(isBeyond(path, until)).toBe(expected);
  });
});
