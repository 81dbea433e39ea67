import { BadRequestError } from "../errors.ts";

/** No file system holds longer names; deeper trees and longer paths are refused by readers of NARs and by Nix. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 2000;
const MAX_DEPTH = 64;

/** Paths of the files of one tree, checked one by one: each is relative, stays in the tree, and is neither a second time there nor a folder and a file. */
export class SourcePaths {
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  get size(): number {
    return this.#files.size;
  }

  /** Throws BadRequestError that names the path. */
  add(path: string): void {
    const fault = faultOf(path) ?? this.#clash(path);
    if (fault !== null) {
      throw new BadRequestError(`file path ${JSON.stringify(path)} cannot be used: ${fault}`);
    }
    this.#files.add(path);
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      this.#folders.add(path.slice(0, at));
    }
  }

  #clash(path: string): string | null {
    if (this.#files.has(path)) return "it is there twice";
    if (this.#folders.has(path)) return "it is a folder of another file";
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      const folder = path.slice(0, at);
      if (this.#files.has(folder)) return `${JSON.stringify(folder)} is a file`;
    }
    return null;
  }
}

function faultOf(path: string): string | null {
  if (path === "") return "it is empty";
  if (/\p{Surrogate}/u.test(path)) return "it is not Unicode text";
  if (path.includes("\0")) return "it has a zero byte";
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `it is longer than ${MAX_PATH_BYTES} bytes`;
  if (path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path)) {
    return "it is absolute; send it relative to the root of the tree";
  }
  const names = path.split("/");
  if (names.length > MAX_DEPTH) return `it is more than ${MAX_DEPTH} folders deep`;
  for (const name of names) {
    if (name === "") return "it has an empty name";
    if (name === "." || name === "..") return `it has the name "${name}"`;
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      return `it has a name of more than ${MAX_NAME_BYTES} bytes`;
    }
    // What Nix appends to names on file systems that do not tell cases apart; no NAR may have it.
    if (name.includes("~nix~case~hack~")) return "it has the suffix of Nix's case hack";
  }
  return null;
}
