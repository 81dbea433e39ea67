import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fingerprint,
  PublicKey,
  SecretKey,
  SignatureError,
  signatureKeyName,
} from "./signature.ts";

const key = SecretKey.generate("cache.example-1");
const secret = key.reveal();
const secretBase64 = secret.slice("cache.example-1:".length);

const facts = {
  path: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a",
  narHash: "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
  narSize: 120,
  references: [
    "/nix/store/2123456789abcdfghijklmnpqrsvwxyz-c",
    "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-b",
  ],
};

/** The error that a call throws. */
function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("keys", () => {
  test("a key is read back from its file, with or without a line break at the end", () => {
    for (const text of [secret, `${secret}\n`]) {
      const read = SecretKey.parse(text);
      expect(read.reveal()).toBe(secret);
      expect(read.publicKey.toString()).toBe(key.publicKey.toString());
      expect(read.sign("message")).toBe(key.sign("message"));
    }
    const publicText = key.publicKey.toString();
    expect(PublicKey.parse(publicText).toString()).toBe(publicText);
  });

  test.each([
    ["no colon", secretBase64],
    ["no name", `:${secretBase64}`],
    ["a space in the name", `a b:${secretBase64}`],
    ["a character too few", secret.slice(0, -5)],
    ["a cut end", secret.slice(0, -4)],
    ["a public key in its place", key.publicKey.toString()],
    ["a line break inside", `${secret.slice(0, 40)}\n${secret.slice(40)}`],
    ["another key's public half", swapPublicHalf()],
  ])("a secret key with %s is refused without showing it", (_, text) => {
    const error = errorOf(() => SecretKey.parse(text));
    expect(error).toBeInstanceOf(SignatureError);
    expect(inspect(error)).not.toContain(secretBase64.slice(0, 12));
  });

  test("logging a key does not show its secret", () => {
    const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key);
    expect(shown).not.toContain(secretBase64.slice(0, 12));
  });

  test("a damaged key never fails with another error", () => {
    fc.assert(
      fc.property(fc.nat(secret.length - 1), fc.string({ maxLength: 3 }), (at, text) => {
        const damaged = secret.slice(0, at) + text + secret.slice(at + 1);
        try {
          SecretKey.parse(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(SignatureError);
        }
      }),
    );
  });

  test("a key cannot be made with a name that its file could not hold", () => {
    expect(() => SecretKey.generate("a:b")).toThrow(SignatureError);
    expect(() => SecretKey.generate("")).toThrow(SignatureError);
  });

  function swapPublicHalf(): string {
    const bytes = Buffer.from(secretBase64, "base64");
    const [, other = ""] = SecretKey.generate("x").publicKey.toString().split(":");
    Buffer.from(other, "base64").copy(bytes, 32);
    return `cache.example-1:${bytes.toString("base64")}`;
  }
});

describe("signatures", () => {
  test("a signature holds for its message and key alone", () => {
    const signature = key.sign("message");
    expect(signatureKeyName(signature)).toBe("cache.example-1");
    expect(key.publicKey.verifies("message", signature)).toBe(true);
    expect(key.publicKey.verifies("massage", signature)).toBe(false);
    expect(SecretKey.generate("cache.example-1").publicKey.verifies("message", signature)).toBe(
      false,
    );
    const renamed = PublicKey.parse(key.publicKey.toString().replace("-1:", "-2:"));
    expect(renamed.verifies("message", signature)).toBe(false);
  });

  test("malformed signatures do not hold, and none is an accident", () => {
    const signature = key.sign("message");
    fc.assert(
      fc.property(fc.nat(signature.length - 1), fc.string({ maxLength: 2 }), (at, text) => {
        const damaged = signature.slice(0, at) + text + signature.slice(at + 1);
        expect(key.publicKey.verifies("message", damaged)).toBe(damaged === signature);
      }),
    );
    expect(() => signatureKeyName("name")).toThrow(SignatureError);
    expect(() => signatureKeyName(`name:${Buffer.alloc(63).toString("base64")}`)).toThrow(
      SignatureError,
    );
  });
});

describe("fingerprints", () => {
  test("the order of the references and the form of the hash do not matter", () => {
    const expected =
      `1;${facts.path};${facts.narHash};120;` +
      "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-b,/nix/store/2123456789abcdfghijklmnpqrsvwxyz-c";
    expect(fingerprint(facts)).toBe(expected);
    expect(
      fingerprint({
        ...facts,
        narHash: "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        references: [...facts.references, ...facts.references].reverse(),
      }),
    ).toBe(expected);
  });

  test.each([
    ["a path below a store object", { path: `${facts.path}/x` }],
    ["a reference with a comma", { references: [`${facts.path},${facts.path}`] }],
    ["a hash that is none", { narHash: "sha256:0" }],
    ["a size of zero", { narSize: 0 }],
    ["a size that is no number", { narSize: Number.NaN }],
  ])("facts with %s cannot be signed", (_, wrong) => {
    expect(() => fingerprint({ ...facts, ...wrong })).toThrow(SignatureError);
  });
});
