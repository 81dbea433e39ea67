import { createHash } from "node:crypto";
import {
  encodeNix32,
  hashBytes,
  makeStorePath,
  type NarInfo,
  type StorePath,
} from "@gradient/protocol";

// NARs by the book, and by other books: nothing is checked here.
function word(text: string | Buffer): Buffer {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes, Buffer.alloc(-bytes.length & 7)]);
}
export const words = (...texts: string[]): Buffer => Buffer.concat(texts.map(word));
export const file = (contents: string): Buffer =>
  words("(", "type", "regular", "contents", contents, ")");
export const entry = (name: string, node: Buffer): Buffer =>
  Buffer.concat([words("entry", "(", "name", name, "node"), node, words(")")]);
export const directory = (...entries: Buffer[]): Buffer =>
  Buffer.concat([words("(", "type", "directory"), ...entries, words(")")]);
export const link = (target: string): Buffer =>
  words("(", "type", "symlink", "target", target, ")");
export const nar = (node: Buffer): Buffer => Buffer.concat([words("nix-archive-1"), node]);
export const deep = (levels: number): Buffer =>
  levels === 0 ? file("x") : directory(entry("d", deep(levels - 1)));

export const nix32 = (bytes: Buffer): string =>
  encodeNix32(createHash("sha256").update(bytes).digest());

export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

let made = 0;
export function newPath(): StorePath {
  made += 1;
  return makeStorePath("output:out", hashBytes("sha256", Buffer.from(`c ${made}`)), "thing");
}

export interface Upload {
  fileName: string;
  bytes: Buffer;
  info: NarInfo;
  /** Sent in place of the narinfo. */
  text?: (text: string) => string;
}

/** Everything as it should be for these bytes; `change` makes one thing wrong. */
export function uploadOf(
  archive: Buffer,
  options: { bytes?: Buffer; suffix?: string; compression?: string; path?: StorePath } = {},
): Upload {
  const { bytes = archive, suffix = "", compression = "none", path = newPath() } = options;
  const fileName = `${nix32(bytes)}.nar${suffix}`;
  return {
    fileName,
    bytes,
    info: {
      path,
      url: `nar/${fileName}`,
      compression,
      fileHash: `sha256:${nix32(bytes)}`,
      fileSize: bytes.length,
      narHash: `sha256:${nix32(archive)}` as NarInfo["narHash"],
      narSize: Math.max(1, archive.length),
      references: [],
      deriver: null,
      signatures: [],
      ca: null,
    },
  };
}
