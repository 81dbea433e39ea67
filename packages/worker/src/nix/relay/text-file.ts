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
import { LAST } from "../daemon/frames.ts";
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
  /** The request to add it, in the worker protocol's words. */
  readonly request: Buffer;
}

/** null for what has no path in this store; what is wrong with it is better said by Nix. */
export function textFileOf(
  name: string,
  contents: Buffer,
  references: readonly string[],
): Omit<TextFile, "request"> | null {
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

/** What a daemon answers to `AddToStore`: the facts of the path (`ValidPathInfo` of the worker protocol). */
export function addedAnswer({ path, contents, hash, references }: TextFile): Request {
  const nar = singleFileNar(contents);
  return new Request()
    .number(LAST)
    .string(path)
    .string("") // no deriver
    .string(formatHexDigest(hashBytes("sha256", nar)))
    .strings(references.toSorted())
    .number(Math.floor(Date.now() / 1000))
    .number(nar.length)
    .boolean(false) // not built here
    .strings([]) // no signatures
    .string(formatContentAddress({ method: "text", hash }));
}
