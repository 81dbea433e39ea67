import { hash } from "node:crypto";
import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import { decodeNix32, encodeNix32, nix32Length } from "./base32.ts";
import { decodeBase64 } from "./base64.ts";
import { EncodingError } from "./encoding-error.ts";

/** A text that is no hash, or not of the algorithm that is wanted. */
export class HashError extends ProtocolError {
  override name = "HashError";

  constructor(message: string, options?: ErrorOptions) {
    super("bad-hash", message, options);
  }
}

const DIGEST_BYTES = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const;

export type HashAlgorithm = keyof typeof DIGEST_BYTES;

export interface Hash {
  readonly algorithm: HashAlgorithm;
  readonly digest: Uint8Array;
}

/** The one form in which NAR hashes are stored and compared: `sha256:` and 52 characters of Nix base 32. */
export const narHashSchema = z
  .string()
  .regex(/^sha256:[01][0-9a-df-np-sv-z]{51}$/, "not a sha256 in Nix base 32")
  .brand<"NarHash">();
export type NarHash = z.infer<typeof narHashSchema>;

function isHashAlgorithm(text: string): text is HashAlgorithm {
  return Object.hasOwn(DIGEST_BYTES, text);
}

/** `sha256` and the like, as derivations and hashes write it. */
export function parseHashAlgorithm(text: string): HashAlgorithm {
  if (!isHashAlgorithm(text)) {
    throw new HashError(`unknown hash algorithm '${text}': use md5, sha1, sha256 or sha512`);
  }
  return text;
}

/**
 * Reads `sha256-<base64>` (SRI), `sha256:<hexadecimal, Nix base 32 or base64>`, and the bare digest when the algorithm is given.
 * Throws HashError when the text is none of these, or names another algorithm than the given one.
 */
export function parseHash(text: string, algorithm?: HashAlgorithm): Hash {
  const separator = /[:-]/.exec(text);
  if (separator === null) {
    if (algorithm === undefined) {
      throw new HashError(`hash '${text}' does not say its algorithm: write it as sha256:${text}`);
    }
    return { algorithm, digest: parseDigest(text, text, algorithm) };
  }
  const named = parseHashAlgorithm(text.slice(0, separator.index));
  if (algorithm !== undefined && named !== algorithm) {
    throw new HashError(`hash '${text}' is a ${named}, but a ${algorithm} is needed`);
  }
  const digest = text.slice(separator.index + 1);
  if (separator[0] === "-" && digest.length !== base64Length(named)) {
    throw new HashError(`hash '${text}' needs ${base64Length(named)} characters of base 64`);
  }
  return { algorithm: named, digest: parseDigest(text, digest, named) };
}

/** A NAR hash in any form that `parseHash` knows, brought to the canonical one. Throws HashError, also when it is no sha256. */
export function parseNarHash(text: string): NarHash {
  return narHashOf(parseHash(text, "sha256").digest);
}

/** Canonical NAR hash of a raw SHA-256 digest. */
export function narHashOf(digest: Uint8Array): NarHash {
  const text = formatNix32Hash({ algorithm: "sha256", digest });
  const parsed = narHashSchema.safeParse(text);
  if (!parsed.success) {
    throw new HashError(`'${text}' is no NAR hash: a SHA-256 digest has 32 bytes`);
  }
  return parsed.data;
}

/** `sha256:<Nix base 32>`, as narinfo files and fingerprints have it. */
export function formatNix32Hash(hash: Hash): string {
  return `${hash.algorithm}:${encodeNix32(hash.digest)}`;
}

/** `sha256-<base64>`, as `nix` prints it. */
export function formatSriHash(hash: Hash): string {
  return `${hash.algorithm}-${Buffer.from(hash.digest).toString("base64")}`;
}

/** The digest alone in hexadecimal, as derivations have it. */
export function formatHexDigest(hash: Hash): string {
  return Buffer.from(hash.digest).toString("hex");
}

/** In one go on this thread: for what is in memory and small. */
export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Hash {
  return { algorithm, digest: hash(algorithm, bytes, "buffer") };
}

function base64Length(algorithm: HashAlgorithm): number {
  return Math.ceil(DIGEST_BYTES[algorithm] / 3) * 4;
}

function parseDigest(text: string, digest: string, algorithm: HashAlgorithm): Uint8Array {
  try {
    const bytes = decodeDigest(digest, algorithm);
    // Base 64 without its padding holds a byte too many.
    if (bytes.length === DIGEST_BYTES[algorithm]) return bytes;
    throw new EncodingError(
      `it has ${bytes.length} bytes, a ${algorithm} has ${DIGEST_BYTES[algorithm]}`,
    );
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    throw new HashError(`bad hash '${text}': ${error.message}`, { cause: error });
  }
}

/** The length tells the encoding: no two encodings of one algorithm are equally long. */
function decodeDigest(digest: string, algorithm: HashAlgorithm): Uint8Array {
  const size = DIGEST_BYTES[algorithm];
  switch (digest.length) {
    case size * 2:
      return decodeHex(digest);
    case nix32Length(size):
      return decodeNix32(digest);
    case base64Length(algorithm):
      return decodeBase64(digest);
    default:
      throw new EncodingError(`a ${algorithm} is not ${digest.length} characters long`);
  }
}

function decodeHex(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]*$/.test(text)) {
    throw new EncodingError("it has characters that are no hexadecimal digits");
  }
  return Buffer.from(text, "hex");
}
