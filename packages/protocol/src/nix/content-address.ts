import { ProtocolError } from "../errors.ts";
import { formatNix32Hash, HashError, parseHash, type Hash } from "./hash.ts";
import {
  fixedOutputStorePath,
  StorePathError,
  textStorePath,
  type FixedOutputMethod,
  type StorePath,
} from "./store-path.ts";

/** A text that is no content address, or one that no store path can follow from. */
export class ContentAddressError extends ProtocolError {
  override name = "ContentAddressError";

  constructor(message: string, options?: ErrorOptions) {
    super("bad-content-address", message, options);
  }
}

/** What the CA field of a narinfo says: how the object's path follows from its contents. */
export interface ContentAddress {
  readonly method: FixedOutputMethod | "text";
  readonly hash: Hash;
}

const PREFIXES = { "text:": "text", "fixed:r:": "recursive", "fixed:": "flat" } as const;

/** Reads `text:sha256:...`, `fixed:sha256:...` and `fixed:r:sha256:...`. Throws ContentAddressError. */
export function parseContentAddress(text: string): ContentAddress {
  for (const [prefix, method] of Object.entries(PREFIXES)) {
    if (text.startsWith(prefix)) return { method, hash: parseHashOf(text, prefix) };
  }
  throw new ContentAddressError(
    `content address '${text}' starts with neither 'text:' nor 'fixed:'`,
  );
}

/** As the CA field of a narinfo has it; the hash in Nix base 32. */
export function formatContentAddress(address: ContentAddress): string {
  const prefix = { text: "text:", recursive: "fixed:r:", flat: "fixed:" }[address.method];
  return prefix + formatNix32Hash(address.hash);
}

/**
 * The path that an object with this name, content address and references must have; `references` may hold `self`, the path in question.
 * Whoever compares it must also know that the hash is the object's: for `recursive` without a reference to itself it is the NAR hash.
 * Throws ContentAddressError for a combination that Nix has no path for.
 */
export function contentAddressedStorePath(
  name: string,
  address: ContentAddress,
  references: Iterable<StorePath>,
  self: StorePath,
): StorePath {
  const all = [...references];
  const others = all.filter((path) => path !== self);
  const isSelfReferential = others.length < all.length;
  const { method, hash } = address;
  try {
    if (method !== "text") {
      return fixedOutputStorePath(name, { method, hash, references: others, isSelfReferential });
    }
  } catch (error) {
    if (!(error instanceof StorePathError)) throw error;
    throw new ContentAddressError(error.message, { cause: error });
  }
  if (isSelfReferential) {
    throw new ContentAddressError(`text file '${name}' cannot refer to itself`);
  }
  return textStorePath(name, hash, others);
}

function parseHashOf(text: string, prefix: string): Hash {
  const digest = text.slice(prefix.length);
  if (!/^[a-z0-9]+:/.test(digest)) {
    throw new ContentAddressError(
      `content address '${text}' lacks a hash such as sha256:... after '${prefix}'`,
    );
  }
  try {
    return parseHash(digest, prefix === "text:" ? "sha256" : undefined);
  } catch (error) {
    if (!(error instanceof HashError)) throw error;
    throw new ContentAddressError(`content address '${text}': ${error.message}`, { cause: error });
  }
}
