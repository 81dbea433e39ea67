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
