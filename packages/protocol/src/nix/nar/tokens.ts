/**
 * The words of the NAR format. Each string is its length in 8 bytes, little end first, its bytes, and zeros up to a
 * multiple of 8 (Dolstra, The Purely Functional Software Deployment Model, figure 5.2).
 */

/** Length of `size` bytes together with their padding. */
export function paddedLength(size: number): number {
  return size + paddingOf(size);
}

/** Zeros that follow so many bytes, 0 to 7. */
export function paddingOf(size: number): number {
  return -size & 7;
}

function word(text: string): Buffer {
  const bytes = Buffer.alloc(8 + paddedLength(text.length));
  bytes.writeUInt32LE(text.length, 0);
  bytes.write(text, 8, "latin1");
  return bytes;
}

function words(...texts: string[]): Buffer {
  return Buffer.concat(texts.map(word));
}

export const MAGIC = words("nix-archive-1");
export const OPEN_TYPE = words("(", "type");
export const CLOSE = words(")");
export const REGULAR = words("regular");
export const EXECUTABLE = words("executable");
export const NO_VALUE = words("");
export const CONTENTS = words("contents");
export const SYMLINK = words("symlink");
export const TARGET = words("target");
export const DIRECTORY = words("directory");
export const ENTRY = words("entry");
export const OPEN_NAME = words("(", "name");
export const NODE = words("node");

/** No file system holds longer names and targets (NAME_MAX; PATH_MAX without its final zero). */
export const MAX_NAME_BYTES = 255;
export const MAX_TARGET_BYTES = 4095;

/** What Nix appends to names that collide on case-insensitive file systems. It must never travel. */
const CASE_HACK = Buffer.from("~nix~case~hack~");

const DOT = 0x2e;
const SLASH = 0x2f;

/** What is wrong with the name of a directory entry, or null. */
export function faultOfName(name: Buffer): string | null {
  if (name.length === 0) return "an empty name";
  if (name.length > MAX_NAME_BYTES) return `a name of more than ${MAX_NAME_BYTES} bytes`;
  if (name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))) {
    return "the name '.' or '..'";
  }
  if (name.includes(SLASH)) return "a name with a slash";
  if (name.includes(0)) return "a name with a zero byte";
  if (name.includes(CASE_HACK)) return "a name with Nix's case hack suffix";
  return null;
}
