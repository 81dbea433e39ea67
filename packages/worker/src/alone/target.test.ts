import { expect, test } from "vitest";
import { parseTarget } from "./target.ts";

test("what Nix would look for in NIX_PATH is refused, with how to find it", () => {
  expect(() => parseTarget("<nixpkgs>", { directory: "/", arguments: [] })).toThrow(
    "give the path that 'nix-instantiate --find-file nixpkgs' prints",
  );
});
