import { EncodingError } from "./encoding-error.ts";

/** Standard base 64 with padding (RFC 4648 section 4), nothing else: no line breaks, no URL alphabet, zero spare bits. */
export function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  // Node skips what it does not know; what comes back unchanged was canonical.
  if (bytes.toString("base64") !== text) {
    throw new EncodingError("not canonical base 64 with padding");
  }
  return bytes;
}
