import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import { encodeNix32 } from "./base32.ts";
import { formatHexDigest, hashBytes, type Hash } from "./hash.ts";

/** The only store directory of the farm: everything that is shared is built for it. */
export const STORE_DIR = "/nix/store";

const HASH_CHARACTERS = 32;
const BASE_AT = STORE_DIR.length + 1;
const NAME_AT = BASE_AT + HASH_CHARACTERS + 1;

/** A text that is no path in /nix/store; the message says what is wrong with it. */
export class StorePathError extends ProtocolError {
  override name = "StorePathError";

  constructor(message: string) {
    super("bad-store-path", message);
  }
}

/**
 * Names as Nix 2.26 has them (libstore/path.cc, checkName): 1 to 211 of these characters, and the part before the first dash is
 * neither `.` nor `..`. Nix 2.8 allows those two; nothing that is built has them.
 */
const NAME = /^(?!\.{1,2}(?:-|$))[0-9a-zA-Z+\-._?=]{1,211}$/;
const STORE_PATH =
  /^\/nix\/store\/[0-9a-df-np-sv-z]{32}-(?!\.{1,2}(?:-|$))[0-9a-zA-Z+\-._?=]{1,211}$/;
const DRV_PATH =
  /^\/nix\/store\/[0-9a-df-np-sv-z]{32}-(?!\.{1,2}(?:-|$))[0-9a-zA-Z+\-._?=]{1,207}\.drv$/;

/** Full path of one store object: `/nix/store/<32 characters>-<name>`. */
export const storePathSchema = z
  .string()
  .regex(STORE_PATH, "not a store path")
  .brand<"StorePath">();
export type StorePath = z.infer<typeof storePathSchema>;

/** Store path of a `.drv` file. */
export const drvPathSchema = z
  .string()
  .regex(DRV_PATH, "not the store path of a derivation")
  .brand<"StorePath">()
  .brand<"DrvPath">();
export type DrvPath = z.infer<typeof drvPathSchema>;

/** For what may be one; where it has to be, parseStorePath says what is wrong. */
export function isStorePath(text: string): text is StorePath {
  return STORE_PATH.test(text);
}

/** Whether it is a store path that ends in `.drv`. */
export function isDrvPath(text: string): text is DrvPath {
  return DRV_PATH.test(text);
}

/** Throws StorePathError that says which rule the text breaks. A path below a store object is refused too. */
export function parseStorePath(text: string): StorePath {
  if (isStorePath(text)) return text;
  throw new StorePathError(`'${text}' is not a store path: ${faultOfStorePath(text)}`);
}

/** As `parseStorePath`, and the name has to end in `.drv`. */
export function parseDrvPath(text: string): DrvPath {
  if (isDrvPath(text)) return text;
  const path = parseStorePath(text);
  throw new StorePathError(
    `'${path}' is not the store path of a derivation: it does not end in .drv`,
  );
}

/** Adds the store directory to `<32 characters>-<name>`, the form that narinfo files use. Throws StorePathError. */
export function storePathFromBase(base: string): StorePath {
  return parseStorePath(`${STORE_DIR}/${base}`);
}

/** `<32 characters>-<name>` */
export function storePathBase(path: StorePath): string {
  return path.slice(BASE_AT);
}

/** The 32 characters: unique in a store. */
export function storePathHash(path: StorePath): string {
  return path.slice(BASE_AT, BASE_AT + HASH_CHARACTERS);
}

/** What stands behind hash and dash, with `.drv` where it has that. */
export function storePathName(path: StorePath): string {
  return path.slice(NAME_AT);
}

/** Throws StorePathError for a name that no store object can have. */
function checkStorePathName(name: string): void {
  if (!NAME.test(name))
    throw new StorePathError(`'${name}' is not a store path name: ${faultOfName(name)}`);
}

/**
 * Path of an object by what it is: `type` (with references where it has them), the hash of its contents or of its recipe, and its name.
 * The rule is Nix's makeStorePath.
 */
export function makeStorePath(type: string, inner: Hash, name: string): StorePath {
  checkStorePathName(name);
  const recipe = `${type}:${inner.algorithm}:${formatHexDigest(inner)}:${STORE_DIR}:${name}`;
  const digest = compressHash(hashBytes("sha256", Buffer.from(recipe)).digest, 20);
  return parseStorePath(`${STORE_DIR}/${encodeNix32(digest)}-${name}`);
}

/** Path of a text file (`builtins.toFile`, `.drv`) with this SHA-256 and these references. */
export function textStorePath(
  name: string,
  contents: Hash,
  references: Iterable<StorePath>,
): StorePath {
  return makeStorePath(["text", ...sortedPaths(references)].join(":"), contents, name);
}

/** How a fixed output is hashed: the NAR of the whole tree, or the bytes of one plain file. */
export type FixedOutputMethod = "recursive" | "flat";

export interface FixedOutput {
  readonly method: FixedOutputMethod;
  readonly hash: Hash;
  /** Only a recursive sha256 may have any. */
  readonly references?: Iterable<StorePath>;
  /** The object refers to itself. Its hash is then the one with its own hash part zeroed. */
  readonly isSelfReferential?: boolean;
}

/** Path of a fixed output or of an added source. Throws StorePathError when references are given where Nix has no place for them. */
export function fixedOutputStorePath(name: string, output: FixedOutput): StorePath {
  const { method, hash, isSelfReferential = false } = output;
  const references = sortedPaths(output.references ?? []);
  if (method === "recursive" && hash.algorithm === "sha256") {
    const type = ["source", ...references, ...(isSelfReferential ? ["self"] : [])].join(":");
    return makeStorePath(type, hash, name);
  }
  if (references.length > 0 || isSelfReferential) {
    throw new StorePathError(
      `fixed output '${name}' cannot have references: only a recursive sha256 can`,
    );
  }
  const prefix = method === "recursive" ? "r:" : "";
  const recipe = `fixed:out:${prefix}${hash.algorithm}:${formatHexDigest(hash)}:`;
  return makeStorePath("output:out", hashBytes("sha256", Buffer.from(recipe)), name);
}

/** In the order of Nix's sets, each once. */
export function sortedPaths(paths: Iterable<StorePath>): StorePath[] {
  return [...new Set(paths)].sort();
}

/** Folds a hash by exclusive or, as Nix's compressHash does. */
function compressHash(digest: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  digest.forEach((byte, at) => {
    folded[at % size] = (folded[at % size] ?? 0) ^ byte;
  });
  return folded;
}

function faultOfStorePath(text: string): string {
  if (!text.startsWith(`${STORE_DIR}/`)) return `it does not start with ${STORE_DIR}/`;
  const base = text.slice(BASE_AT);
  if (base.includes("/")) return "it names something below a store object";
  if (!/^[0-9a-df-np-sv-z]{32}-/.test(base)) {
    return "its base name does not start with 32 characters of Nix base 32 and a dash";
  }
  return faultOfName(text.slice(NAME_AT));
}

function faultOfName(name: string): string {
  if (name === "") return "the name is empty";
  if (name.length > 211) return `the name has ${name.length} characters, 211 are allowed`;
  const illegal = /[^0-9a-zA-Z+\-._?=]/.exec(name);
  if (illegal) return `the name has the illegal character ${JSON.stringify(illegal[0])}`;
  return "the part of the name before the first dash is '.' or '..'";
}
