import {
  type Hash,
  StorePathError,
  formatContentAddress,
  formatHexDigest,
  hashBytes,
  isStorePath,
  singleFileNar,
  textStorePath,
} from "@gradient/protocol";
import { ADD_TEXT_TO_STORE } from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";

/** A text file of the store, such as a `.drv`. */
export interface TextFile {
  /** As it follows from the rest. */
  readonly path: string;
  readonly name: string;
  readonly contents: Buffer;
  /** SHA-256 of the contents. */
  readonly hash: Hash;
  readonly references: readonly string[];
}

/** null for what has no path in this store; what is wrong with it is better said by Nix. */
export function textFileOf(
  name: string,
  contents: Buffer,
  references: readonly string[],
): TextFile | null {
  if (!references.every(isStorePath)) return null;
  try {
    const hash = hashBytes("sha256", contents);
    const path = textStorePath(name, hash, references);
    return { path, name, contents, hash, references };
  } catch (error) {
    if (error instanceof StorePathError) return null;
    throw error;
  }
}

/** The request to add it. */
export function addTextRequest({ name, contents, references }: TextFile): Buffer {
  return new Request()
    .number(ADD_TEXT_TO_STORE)
    .string(name)
    .byteString(contents)
    .strings(references)
    .bytes();
}

/** What a daemon tells of it (`UnkeyedValidPathInfo` of the worker protocol). */
export function factsOf({ contents, hash, references }: TextFile): Buffer {
  const nar = singleFileNar(contents);
  return new Request()
    .string("") // no deriver
    .string(formatHexDigest(hashBytes("sha256", nar)))
    .strings(references.toSorted())
    .number(Math.floor(Date.now() / 1000))
    .number(nar.length)
    .boolean(false) // not built here
    .strings([]) // no signatures
    .string(formatContentAddress({ method: "text", hash }))
    .bytes();
}
