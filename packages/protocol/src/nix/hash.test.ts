import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatHexDigest,
  formatNix32Hash,
  formatSriHash,
  hashBytes,
  HashError,
  narHashOf,
  narHashSchema,
  parseHash,
  parseNarHash,
} from "./hash.ts";

const ALGORITHMS = ["md5", "sha1", "sha256", "sha512"] as const;
const hashes = fc
  .tuple(fc.constantFrom(...ALGORITHMS), fc.uint8Array())
  .map(([algorithm, bytes]) => hashBytes(algorithm, bytes));

describe("hashes", () => {
  test("every way of writing a hash is read back", () => {
    fc.assert(
      fc.property(hashes, (hash) => {
        const hex = formatHexDigest(hash);
        const base64 = Buffer.from(hash.digest).toString("base64");
        const read = [
          parseHash(formatNix32Hash(hash)),
          parseHash(formatSriHash(hash)),
          parseHash(formatSriHash(hash), hash.algorithm),
          parseHash(`${hash.algorithm}:${hex}`),
          parseHash(`${hash.algorithm}:${base64}`),
          parseHash(hex, hash.algorithm),
        ];
        for (const { algorithm, digest } of read) {
          expect(algorithm).toBe(hash.algorithm);
          expect(Buffer.from(digest).equals(hash.digest)).toBe(true);
        }
      }),
    );
  });

  test("anything else is refused with the error of hashes", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...ALGORITHMS, undefined), (text, algorithm) => {
        try {
          parseHash(text, algorithm);
        } catch (error) {
          expect(error).toBeInstanceOf(HashError);
        }
      }),
    );
  });

  const digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
  test.each([
    [digest, "does not say its algorithm"],
    [`sha3-${digest}`, "unknown hash algorithm 'sha3'"],
    [`sha256-${digest.slice(0, -1)}`, "needs 44 characters of base 64"],
    [`sha256-${"0".repeat(52)}`, "needs 44 characters of base 64"],
    [`sha256-${digest.replace("=", "==")}`, "needs 44 characters of base 64"],
    [`sha256:${digest.replace("0=", "1=")}`, "not canonical base 64"],
    [`sha256:${"g".repeat(64)}`, "no hexadecimal digits"],
    [`sha256:${"e".repeat(52)}`, "not in Nix's base 32 alphabet"],
    [`sha256-${"A".repeat(44)}`, "it has 33 bytes, a sha256 has 32"],
    ["sha256:", "is not 0 characters long"],
  ])("%s is refused: %s", (text, message) => {
    expect(() => parseHash(text)).toThrow(message);
  });

  test("a hash of another algorithm than the wanted one is refused", () => {
    expect(() => parseHash(`sha1:${"0".repeat(40)}`, "sha256")).toThrow("a sha256 is needed");
  });

  test("NAR hashes are brought to one form, which alone the schema accepts", () => {
    const hash = hashBytes("sha256", Buffer.from("abc"));
    const canonical = `sha256:${"1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"}`;
    expect(parseNarHash(formatSriHash(hash))).toBe(canonical);
    expect(narHashOf(hash.digest)).toBe(canonical);
    expect(narHashSchema.safeParse(canonical).success).toBe(true);
    expect(narHashSchema.safeParse(formatSriHash(hash)).success).toBe(false);
    expect(narHashSchema.safeParse(canonical.replace(":1", ":2")).success).toBe(false);
  });

  test("a digest of another length is no NAR hash", () => {
    expect(() => narHashOf(new Uint8Array(20))).toThrow(HashError);
    expect(() => parseNarHash(`md5:${"0".repeat(32)}`)).toThrow("a sha256 is needed");
  });
});
