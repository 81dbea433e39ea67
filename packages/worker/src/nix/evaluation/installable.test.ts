import { describe, expect, test } from "vitest";
import { installablePaths, parseInstallable } from "./installable.ts";

describe("an installable", () => {
  test.each([
    [".", "/home/me", []],
    ["", "/home/me", []],
    [".#hello", "/home/me", ["hello"]],
    ["sub#a.b", "/home/me/sub", ["a", "b"]],
    ["../other#", "/home/other", []],
    ["/else?dir=x#hello", "/else?dir=x", ["hello"]],
    ["path:./sub#hello", "path:/home/me/sub", ["hello"]],
    ["./a b%20+é#hello", "/home/me/a%20b%2520%2B%C3%A9", ["hello"]],
    ["path:./a%20b%#hello", "path:/home/me/a%2520b%25", ["hello"]],
    ["path:./a%20b/#hello", "path:/home/me/a%20b", ["hello"]],
    ["git+file:///a b%20+é?dir=c d#hello", "git+file:///a%20b%20+%C3%A9?dir=c%20d", ["hello"]],
    ["git+file:///repo?ref=main#hello", "git+file:///repo?ref=main", ["hello"]],
    ["github:owner/name", "github:owner/name", []],
    ['.#packages.x."python3.12"', "/home/me", ["packages", "x", "python3.12"]],
  ])("%s is read as %s and %j", (text, reference, attribute) => {
    expect(parseInstallable(text, "/home/me")).toEqual({ reference, attribute });
  });

  test("is looked for among the system's packages first", () => {
    expect(installablePaths(["a", "b"], "s")).toEqual([
      ["packages", "s", "a", "b"],
      ["legacyPackages", "s", "a", "b"],
      ["a", "b"],
    ]);
    expect(installablePaths([], "s")[0]).toEqual(["packages", "s", "default"]);
  });
});
