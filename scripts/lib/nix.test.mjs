import { expect, test } from "vitest";
import { isNewEnough, parseNixVersion } from "./nix.mjs";

test("the version is read from what nix-store says of itself", () => {
  expect(parseNixVersion("nix-store (Nix) 2.8.0\n")).toBe("2.8.0");
  expect(parseNixVersion("nix-store (Nix) 2.4pre20210601_5985b8b\n")).toBe(
    "2.4pre20210601_5985b8b",
  );
  expect(parseNixVersion("nix-store (Determinate Nix 3.6.2) 2.29.0\n")).toBe("2.29.0");
  expect(parseNixVersion("command not found\n")).toBeUndefined();
});

test("2.8 is the oldest version that is used, and 2.26 is newer than 2.8", () => {
  expect(["2.7.0", "2.3.16", "1.11"].filter(isNewEnough)).toEqual([]);
  const newer = ["2.8", "2.8.0", "2.26.3", "2.34.8", "3.0"];
  expect(newer.filter(isNewEnough)).toEqual(newer);
});
