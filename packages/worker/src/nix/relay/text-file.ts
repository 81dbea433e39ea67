import { StorePathError, hashBytes, isStorePath, textStorePath } from "@gradient/protocol";
import { LAST } from "../daemon/frames.ts";
import { ADD_TEXT_TO_STORE, QUERY_PATH_INFO } from "../daemon/operations.ts";
import { Request } from "../daemon/request.ts";
import type { Question } from "./foresight.ts";

/** A text file of the store, such as a `.drv`. */
export interface TextFile {
  /** As it follows from the rest. */
  readonly path: string;
  readonly name: string;
  readonly contents: Buffer;
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
    const path = textStorePath(name, hashBytes("sha256", contents), references);
    return { path, name, contents, references };
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

/**
 * In place of what a daemon tells of a text that was added (`UnkeyedValidPathInfo` of the worker protocol). Nix reads no more of it than
 * that it is there; whoever asks for facts later is told by the store.
 */
export const UNREAD_FACTS: Buffer = new Request()
  .string("") // no deriver
  .string("0".repeat(64)) // SHA-256 of the NAR
  .strings([]) // references
  .number(0) // registration time
  .number(0) // size of the NAR
  .boolean(false) // not built here
  .strings([]) // no signatures
  .string("") // no content address
  .bytes();

/** What is answered to a client that adds a text, which asks for the facts of it then, and reads none of them. */
export function addedText(path: string): Question & { next: Question } {
  return {
    operation: ADD_TEXT_TO_STORE,
    path,
    answer: () => new Request().number(LAST).string(path),
    next: {
      operation: QUERY_PATH_INFO,
      path,
      answer: () => new Request().number(LAST).boolean(true).raw(UNREAD_FACTS),
      next: null,
    },
  };
}
