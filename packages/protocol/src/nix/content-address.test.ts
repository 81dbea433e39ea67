import { describe, expect, test } from "vitest";
import {
  contentAddressedStorePath,
  ContentAddressError,
  formatContentAddress,
  parseContentAddress,
} from "./content-address.ts";
import { storePathFromBase } from "./store-path.ts";

const NIX32 = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
const self = storePathFromBase("0123456789abcdfghijklmnpqrsvwxyz-self");
const other = storePathFromBase("1123456789abcdfghijklmnpqrsvwxyz-other");

describe("content addresses", () => {
  test.each([`text:sha256:${NIX32}`, `fixed:sha256:${NIX32}`, `fixed:r:sha256:${NIX32}`])(
    "%s is read and printed",
    (text) => {
      expect(formatContentAddress(parseContentAddress(text))).toBe(text);
    },
  );

  test.each([
    ["", "starts with neither"],
    [`sha256:${NIX32}`, "starts with neither"],
    [`fixed:${NIX32}`, "lacks a hash"],
    [`fixed:r:sha256:${NIX32.slice(1)}`, "is not 51 characters long"],
    [`text:sha1:${"0".repeat(40)}`, "a sha256 is needed"],
  ])("%j is refused: %s", (text, message) => {
    expect(() => parseContentAddress(text)).toThrow(ContentAddressError);
    expect(() => parseContentAddress(text)).toThrow(message);
  });

  test("a reference to itself changes the path, and is told from other references", () => {
    const address = parseContentAddress(`fixed:r:sha256:${NIX32}`);
    const paths = [[], [self], [other], [other, self]].map((references) =>
      contentAddressedStorePath("self", address, references, self),
    );
    expect(new Set(paths).size).toBe(4);
  });

  test("what Nix has no path for is refused", () => {
    const flat = parseContentAddress(`fixed:sha256:${NIX32}`);
    const text = parseContentAddress(`text:sha256:${NIX32}`);
    expect(() => contentAddressedStorePath("self", flat, [other], self)).toThrow(
      ContentAddressError,
    );
    expect(() => contentAddressedStorePath("self", text, [self], self)).toThrow(
      "cannot refer to itself",
    );
  });
});
