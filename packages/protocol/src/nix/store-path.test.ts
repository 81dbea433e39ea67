import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NIX32_ALPHABET } from "./base32.ts";
import { hashBytes } from "./hash.ts";
import {
  drvPathSchema,
  fixedOutputStorePath,
  isStorePath,
  parseDrvPath,
  parseStorePath,
  storePathBase,
  StorePathError,
  storePathFromBase,
  storePathHash,
  storePathName,
  storePathSchema,
} from "./store-path.ts";

const HASH = "0123456789abcdfghijklmnpqrsvwxyz";
const path = parseStorePath(`/nix/store/${HASH}-hello-1.0.drv`);

const names = fc
  .string({
    unit: fc.constantFrom(..."0123456789abcxyzABCXYZ+-._?=".split("")),
    minLength: 1,
    maxLength: 211,
  })
  .filter((name) => !/^\.\.?(-|$)/.test(name));
const hashParts = fc.string({
  unit: fc.constantFrom(...NIX32_ALPHABET.split("")),
  minLength: 32,
  maxLength: 32,
});

describe("store paths", () => {
  test("parts come apart and together again", () => {
    fc.assert(
      fc.property(hashParts, names, (hash, name) => {
        const parsed = parseStorePath(`/nix/store/${hash}-${name}`);
        expect(storePathHash(parsed)).toBe(hash);
        expect(storePathName(parsed)).toBe(name);
        expect(storePathFromBase(storePathBase(parsed))).toBe(parsed);
      }),
    );
  });

  test("schema, predicate and parser accept the same texts", () => {
    const almost = fc
      .tuple(fc.constantFrom("/nix/store/", "/gnu/store/", ""), hashParts, fc.string())
      .map(([directory, hash, rest]) => `${directory}${hash}-${rest}`);
    fc.assert(
      fc.property(fc.oneof(almost, fc.string()), (text) => {
        const accepted = isStorePath(text);
        expect(storePathSchema.safeParse(text).success).toBe(accepted);
        if (accepted) expect(parseStorePath(text)).toBe(text);
        else expect(() => parseStorePath(text)).toThrow(StorePathError);
      }),
    );
  });

  test.each([
    ["", "does not start with /nix/store/"],
    [`/gnu/store/${HASH}-a`, "does not start with /nix/store/"],
    [`/nix/store/${HASH}-a/bin`, "below a store object"],
    [`/nix/store/${HASH}`, "does not start with 32 characters"],
    [`/nix/store/e${HASH.slice(1)}-a`, "does not start with 32 characters"],
    [`/nix/store/${HASH.slice(1)}-a`, "does not start with 32 characters"],
    [`/nix/store/${HASH}-`, "the name is empty"],
    [`/nix/store/${HASH}-a b`, 'the illegal character " "'],
    [`/nix/store/${HASH}-é`, 'the illegal character "é"'],
    [`/nix/store/${HASH}-a\n`, 'the illegal character "\\n"'],
    [`/nix/store/${HASH}-${"a".repeat(212)}`, "212 characters, 211 are allowed"],
    [`/nix/store/${HASH}-.`, "before the first dash is '.' or '..'"],
    [`/nix/store/${HASH}-..`, "before the first dash is '.' or '..'"],
    [`/nix/store/${HASH}-..-a`, "before the first dash is '.' or '..'"],
  ])("%j is refused: %s", (text, message) => {
    expect(() => parseStorePath(text)).toThrow(message);
  });

  test.each([".a", "..a", "a..b", "?=", "a".repeat(211)])("the name %j is allowed", (name) => {
    expect(storePathName(storePathFromBase(`${HASH}-${name}`))).toBe(name);
  });

  test("only a path that ends in .drv is a derivation's", () => {
    expect(parseDrvPath(path)).toBe(path);
    expect(drvPathSchema.safeParse(path).success).toBe(true);
    expect(() => parseDrvPath(path.slice(0, -4))).toThrow("does not end in .drv");
    expect(drvPathSchema.safeParse(path.slice(0, -4)).success).toBe(false);
  });

  test("a flat fixed output has no place for references", () => {
    const hash = hashBytes("sha256", Buffer.from("x"));
    const output = { method: "flat", hash, references: [path] } as const;
    expect(() => fixedOutputStorePath("a", output)).toThrow("cannot have references");
  });

  test("no path is made for a name that Nix refuses", () => {
    const hash = hashBytes("sha256", Buffer.from("x"));
    expect(() => fixedOutputStorePath("a/b", { method: "flat", hash })).toThrow(StorePathError);
  });
});
