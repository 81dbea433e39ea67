import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeNix32, encodeNix32, NIX32_ALPHABET } from "./base32.ts";
import { EncodingError } from "./encoding-error.ts";

describe("Nix base 32", () => {
  test("matches known values of Nix", () => {
    // sha256 of the empty string, as `nix-hash --to-base32` prints it
    const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const text = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
    expect(encodeNix32(Buffer.from(digest, "hex"))).toBe(text);
    expect(Buffer.from(decodeNix32(text)).toString("hex")).toBe(digest);
  });

  test("every byte string comes back from its text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeNix32(encodeNix32(bytes))).toEqual(bytes);
      }),
    );
  });

  test("a text is either the one form of its bytes or refused", () => {
    const text = fc.string({ unit: fc.constantFrom(...NIX32_ALPHABET.split("")), maxLength: 60 });
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (given) => {
        let bytes: Uint8Array;
        try {
          bytes = decodeNix32(given);
        } catch (error) {
          expect(error).toBeInstanceOf(EncodingError);
          return;
        }
        expect(encodeNix32(bytes)).toBe(given);
      }),
    );
  });

  test.each([
    ["a letter outside the alphabet", "e0"],
    ["an upper-case letter", "0A"],
    ["a character beyond one byte", "0\u0130"],
    ["a length that no bytes have", "000"],
    ["spare bits that are not zero", "z0"],
  ])("%s is refused", (_, text) => {
    expect(() => decodeNix32(text)).toThrow(EncodingError);
  });
});
