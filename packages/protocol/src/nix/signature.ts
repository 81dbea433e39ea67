import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { ProtocolError } from "../errors.ts";
import { decodeBase64 } from "./base64.ts";
import { EncodingError } from "./encoding-error.ts";
import { parseNarHash } from "./hash.ts";
import { parseStorePath, sortedPaths } from "./store-path.ts";

/** A key, a signature, or facts that cannot be signed. The message never holds secret material. */
export class SignatureError extends ProtocolError {
  override name = "SignatureError";

  constructor(
    code: "bad-key" | "bad-signature" | "bad-facts",
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** DER before the 32 raw bytes of an Ed25519 seed (PKCS #8) and public key (SPKI), RFC 8410. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const SEED_BYTES = 32;
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** Public half of a key, `<name>:<base 64 of 32 bytes>` in Nix's format (`trusted-public-keys`). */
export class PublicKey {
  readonly keyName: string;
  readonly #key: KeyObject;

  private constructor(keyName: string, key: KeyObject) {
    this.keyName = keyName;
    this.#key = key;
  }

  /** Throws SignatureError. White space around the text is ignored: key files often end in a line break. */
  static parse(text: string): PublicKey {
    const { keyName, bytes } = splitKey(text, "public key", PUBLIC_BYTES);
    return PublicKey.fromBytes(keyName, bytes);
  }

  /** `bytes`: the 32 of an Ed25519 public key (RFC 8032). */
  static fromBytes(keyName: string, bytes: Uint8Array): PublicKey {
    const der = Buffer.concat([SPKI_PREFIX, bytes]);
    return new PublicKey(keyName, createPublicKey({ key: der, format: "der", type: "spki" }));
  }

  /** Whether `signature` (`<name>:<base 64>`) is this key's for the message. Anything else, also malformed text, is false. */
  verifies(message: string, signature: string): boolean {
    if (!signature.startsWith(`${this.keyName}:`)) return false;
    const bytes = decodeOrNull(signature.slice(this.keyName.length + 1));
    if (bytes?.length !== SIGNATURE_BYTES) return false;
    return verify(null, Buffer.from(message), this.#key, bytes);
  }

  /** `name:base64`, as Nix's `trusted-public-keys` wants it. */
  toString(): string {
    return `${this.keyName}:${rawPublicKey(this.#key).toString("base64")}`;
  }
}

/** Signing key in Nix's format: `<name>:<base 64 of seed and public key>`. Only `reveal` gives the secret away. */
export class SecretKey {
  readonly keyName: string;
  readonly publicKey: PublicKey;
  readonly #key: KeyObject;

  private constructor(keyName: string, key: KeyObject) {
    this.keyName = keyName;
    this.publicKey = PublicKey.fromBytes(keyName, rawPublicKey(key));
    this.#key = key;
  }

  /** Throws SignatureError, also when the public half does not belong to the seed. White space around the text is ignored. */
  static parse(text: string): SecretKey {
    const { keyName, bytes } = splitKey(text, "secret key", SEED_BYTES + PUBLIC_BYTES);
    const der = Buffer.concat([PKCS8_PREFIX, bytes.subarray(0, SEED_BYTES)]);
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    if (!rawPublicKey(key).equals(bytes.subarray(SEED_BYTES))) {
      throw new SignatureError(
        "bad-key",
        `secret key '${keyName}' is damaged: its public half belongs to another key`,
      );
    }
    return new SecretKey(keyName, key);
  }

  /** A new random key. Throws SignatureError when the name cannot stand in a key file. */
  static generate(keyName: string): SecretKey {
    checkKeyName(keyName, "secret key");
    return new SecretKey(keyName, generateKeyPairSync("ed25519").privateKey);
  }

  /** `<name>:<base 64 of 64 bytes>`, as a narinfo's Sig line has it. The same message always gives the same text. */
  sign(message: string): string {
    const bytes = sign(null, Buffer.from(message), this.#key);
    return `${this.keyName}:${bytes.toString("base64")}`;
  }

  /** The text of a secret key file. For writing that file, and for nothing else. */
  reveal(): string {
    const seed = this.#key.export({ format: "der", type: "pkcs8" }).subarray(PKCS8_PREFIX.length);
    const bytes = Buffer.concat([seed, rawPublicKey(this.#key)]);
    return `${this.keyName}:${bytes.toString("base64")}`;
  }
}

/** The part of a path's facts that a signature covers. */
export interface SignedFacts {
  /** Full store path. */
  readonly path: string;
  readonly narHash: string;
  readonly narSize: number;
  /** Full store paths, in any order. */
  readonly references: readonly string[];
}

/**
 * The text that Nix signs: `1;<path>;<NAR hash>;<NAR size>;<sorted references, comma joined>` (libstore/path-info.cc, fingerprint).
 * Every part is checked, so that no two sets of facts share a fingerprint. Throws SignatureError.
 */
export function fingerprint(facts: SignedFacts): string {
  const { narSize } = facts;
  if (!Number.isSafeInteger(narSize) || narSize <= 0) {
    throw new SignatureError(
      "bad-facts",
      `'${facts.path}' cannot be signed: its NAR size is ${narSize}`,
    );
  }
  try {
    const path = parseStorePath(facts.path);
    const references = sortedPaths(facts.references.map(parseStorePath));
    return `1;${path};${parseNarHash(facts.narHash)};${narSize};${references.join(",")}`;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new SignatureError("bad-facts", `'${facts.path}' cannot be signed: ${error.message}`, {
      cause: error,
    });
  }
}

/** Name of the key that made a signature, from `<name>:<base 64 of 64 bytes>`. Throws SignatureError. */
export function signatureKeyName(signature: string): string {
  const at = signature.indexOf(":");
  const bytes = at > 0 ? decodeOrNull(signature.slice(at + 1)) : null;
  if (bytes?.length !== SIGNATURE_BYTES || !KEY_NAME.test(signature.slice(0, at))) {
    throw new SignatureError(
      "bad-signature",
      `'${signature}' is not a signature: it has to be <key name>:<base 64 of 64 bytes>`,
    );
  }
  return signature.slice(0, at);
}

const KEY_NAME = /^[^\s:]+$/;

function checkKeyName(keyName: string, what: string): void {
  if (!KEY_NAME.test(keyName)) {
    throw new SignatureError(
      "bad-key",
      `a ${what} needs a name without colons and white space before its colon`,
    );
  }
}

function splitKey(text: string, what: string, size: number): { keyName: string; bytes: Buffer } {
  const trimmed = text.trim();
  const at = trimmed.indexOf(":");
  if (at < 0)
    throw new SignatureError(
      "bad-key",
      `a ${what} has to be <name>:<base 64>, and no colon was found`,
    );
  const keyName = trimmed.slice(0, at);
  checkKeyName(keyName, what);
  const bytes = decodeOrNull(trimmed.slice(at + 1));
  if (bytes === null) throw new SignatureError("bad-key", `${what} '${keyName}' is not in base 64`);
  if (bytes.length !== size) {
    throw new SignatureError(
      "bad-key",
      `${what} '${keyName}' has ${bytes.length} bytes, ${size} are needed`,
    );
  }
  return { keyName, bytes };
}

/** Without a cause to follow: what failed to decode may be a secret. */
function decodeOrNull(text: string): Buffer | null {
  try {
    return decodeBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === "public" ? key : createPublicKey(key);
  return publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
}
