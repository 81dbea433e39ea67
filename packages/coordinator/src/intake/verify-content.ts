import { createHash, type Hash as Digest } from "node:crypto";
import {
  ContentAddressError,
  contentAddressedStorePath,
  decodeNix32,
  formatNix32Hash,
  NarReader,
  parseContentAddress,
  storePathName,
  type ContentAddress,
  type Hash,
  type StorePath,
} from "@gradient/protocol";
import type { NarStorage } from "../storage/nar-storage.ts";
import { readNar } from "../nar-contents/read-nar.ts";

/** A path with its facts, all of them claims but the NAR hash, whose bytes were verified. */
export interface AddressedPath {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly ca: string;
}

/** `unverifiable`: the path refers to itself, so that its hash is not the one of its bytes; only a signature can vouch for it. */
export type ContentVerdict =
  | { kind: "verified" }
  | { kind: "unverifiable" }
  | { kind: "wrong"; reason: string };

/** Whether a content-addressed path is the one that its contents make. */
export async function verifyContent(
  files: NarStorage,
  claim: AddressedPath,
): Promise<ContentVerdict> {
  const { path, references, narHash, ca } = claim;
  try {
    const address = parseContentAddress(ca);
    const expected = contentAddressedStorePath(storePathName(path), address, references, path);
    if (expected !== path) {
      return {
        kind: "wrong",
        reason: `${path} is not the path for content address ${ca}: that is ${expected}`,
      };
    }
    if (references.includes(path)) return { kind: "unverifiable" };
    const actual = await hashContent(files, narHash, address);
    if (actual === null)
      return { kind: "wrong", reason: `${path} is no plain file, as content address ${ca} says` };
    if (formatNix32Hash(actual) !== formatNix32Hash(address.hash)) {
      return {
        kind: "wrong",
        reason: `the contents of ${path} have hash ${formatNix32Hash(actual)}, not the one in ${ca}`,
      };
    }
    return { kind: "verified" };
  } catch (error) {
    if (!(error instanceof ContentAddressError)) throw error;
    return { kind: "wrong", reason: `${path}: ${error.message}` };
  }
}

/** Hash of the contents by the address's own method; null when it needs a plain file and there is none. */
async function hashContent(
  files: NarStorage,
  narHash: string,
  address: ContentAddress,
): Promise<Hash | null> {
  const { algorithm } = address.hash;
  if (address.method === "recursive" && algorithm === "sha256") {
    return { algorithm, digest: decodeNix32(narHash) };
  }
  const digest = createHash(algorithm);
  if (address.method === "recursive") {
    for await (const piece of readNar(files, narHash)) digest.update(piece);
    return { algorithm, digest: digest.digest() };
  }
  return (await hashPlainFile(files, narHash, digest))
    ? { algorithm, digest: digest.digest() }
    : null;
}

async function hashPlainFile(files: NarStorage, narHash: string, digest: Digest): Promise<boolean> {
  let isPlainFile = false;
  const reader = new NarReader({
    fileStart: (name, { isExecutable }) => {
      isPlainFile = name.length === 0 && !isExecutable;
    },
    fileChunk: (chunk) => {
      digest.update(chunk);
    },
  });
  for await (const piece of readNar(files, narHash)) reader.write(piece);
  reader.end();
  return isPlainFile;
}
