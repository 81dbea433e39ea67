import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeNix32 } from "../nix/base32.ts";
import {
  decodeNarBundle,
  encodeNarBundle,
  MAX_BUNDLED_NAR_BYTES,
  NarBundleError,
} from "./nar-bundle.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(encodeNix32);
const nar = fc.record({
  narHash: hash,
  narSize: fc.nat(MAX_BUNDLED_NAR_BYTES),
  bytes: fc.uint8Array({ maxLength: 100 }),
});

test("what was bundled comes out as it went in", () => {
  fc.assert(
    fc.property(fc.array(nar), (nars) => {
      const read = decodeNarBundle(encodeNarBundle(nars));
      expect(read.map((each) => ({ ...each, bytes: new Uint8Array(each.bytes) }))).toEqual(nars);
    }),
  );
});

test("a bundle that ends in the middle of a NAR is refused", () => {
  fc.assert(
    fc.property(nar, fc.nat(), (only, seed) => {
      const whole = encodeNarBundle([only]);
      const length = 1 + (seed % (whole.length - 1));
      expect(() => decodeNarBundle(whole.subarray(0, length))).toThrow(NarBundleError);
    }),
  );
});

test("what is no hash, and a NAR that is too large, is named", () => {
  const narHash = "0".repeat(52);
  const bytes = new Uint8Array(3);
  expect(() =>
    decodeNarBundle(encodeNarBundle([{ narHash: "e".repeat(52), narSize: 1, bytes }])),
  ).toThrow("byte 0 of the bundle");
  const large = { narHash, narSize: MAX_BUNDLED_NAR_BYTES + 1, bytes };
  expect(() => decodeNarBundle(encodeNarBundle([large]))).toThrow(
    `NAR sha256:${narHash} has 65537 bytes`,
  );
});
