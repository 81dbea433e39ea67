import { EncodingError } from "./encoding-error.ts";

/**
 * Nix's own base 32: digits and lower-case letters without e, o, t and u, five bits to a character,
 * the last byte first (libutil/hash.cc, printHash32).
 */
export const NIX32_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

const CODES = Buffer.from(NIX32_ALPHABET, "latin1");

/** Value of each byte as a Nix base 32 character; 255 where it is none. */
export const NIX32_VALUES: Uint8Array = tableOfValues();

function tableOfValues(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  CODES.forEach((code, value) => {
    values[code] = value;
  });
  return values;
}

/** Number of characters that `byteCount` bytes take. */
export function nix32Length(byteCount: number): number {
  return Math.ceil((byteCount * 8) / 5);
}

/** 20 bytes become 32 characters, 32 bytes become 52. */
export function encodeNix32(bytes: Uint8Array): string {
  const length = nix32Length(bytes.length);
  const text = Buffer.alloc(length);
  for (let n = 0; n < length; n++) {
    const bit = n * 5;
    const byte = bit >> 3;
    const pair = (bytes[byte] ?? 0) | ((bytes[byte + 1] ?? 0) << 8);
    text[length - 1 - n] = CODES[(pair >> (bit & 7)) & 31] ?? 0;
  }
  return text.toString("latin1");
}

/**
 * The exact inverse of `encodeNix32`.
 * Throws EncodingError for a character outside the alphabet, a length that no bytes have, and spare bits that are not zero.
 */
export function decodeNix32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  if (nix32Length(bytes.length) !== text.length) {
    throw new EncodingError(`no bytes have a Nix base 32 form of ${text.length} characters`);
  }
  let pending = 0;
  let pendingBits = 0;
  let filled = 0;
  for (let at = text.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(at);
    const value = code < 256 ? (NIX32_VALUES[code] ?? 255) : 255;
    if (value === 255) {
      throw new EncodingError(`character ${at + 1} is not in Nix's base 32 alphabet`);
    }
    pending |= value << pendingBits;
    pendingBits += 5;
    if (pendingBits >= 8) {
      bytes[filled++] = pending & 255;
      pending >>= 8;
      pendingBits -= 8;
    }
  }
  if (pending !== 0) {
    throw new EncodingError(
      "the spare bits of the first character of a Nix base 32 text are not zero",
    );
  }
  return bytes;
}
