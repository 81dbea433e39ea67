import {
  fingerprint,
  parseNarHash,
  PublicKey,
  SignatureError,
  signatureKeyName,
  storePathHash,
  type StorePath,
} from "@gradient/protocol";
import { hashPartOf } from "../db/cache-path-repository.ts";
import type { NarObject } from "../db/nar-object-repository.ts";
import { BadRequestError, UnprocessableError } from "../errors.ts";
import { findReferences } from "../intake/find-references.ts";
import type { ReceivedFile } from "../intake/received-file.ts";
import { verifyContent } from "../intake/verify-content.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import type { PathClaim } from "./path-claim.ts";

/** More signatures of a path are not kept. */
const MAX_SIGNATURES = 16;
const SIGNATURE = /^[^\s:]+:[A-Za-z0-9+/]{86}==$/;

/** Throws BadRequestError when the file is not the one that was announced, UnprocessableError when the NAR in it is not. */
export function checkFile(claim: PathClaim, { given, object }: ReceivedFile): void {
  if (claim.fileSize !== null && claim.fileSize !== given.fileSize) {
    throw new BadRequestError(
      `the file has ${given.fileSize} bytes, not ${claim.fileSize} as announced`,
      { code: "file_size_mismatch" },
    );
  }
  if (claim.fileHash !== null && claim.fileHash !== given.fileHash) {
    throw new BadRequestError(
      `the file has hash sha256:${given.fileHash}, not sha256:${claim.fileHash} as announced`,
      { code: "file_hash_mismatch" },
    );
  }
  checkNar(claim, object);
}

/** Holds what a narinfo says of its NAR against what was found. Throws UnprocessableError `nar_size_mismatch` or `nar_hash_mismatch`. */
export function checkNar(claim: PathClaim, object: NarObject): void {
  if (claim.narSize !== object.narSize) {
    throw new UnprocessableError(
      `the NAR of ${claim.path} has ${object.narSize} bytes, not ${claim.narSize} as announced`,
      { code: "nar_size_mismatch" },
    );
  }
  if (claim.narHash !== object.narHash) {
    throw new UnprocessableError(
      `the NAR of ${claim.path} has hash sha256:${object.narHash}, not sha256:${claim.narHash} as announced`,
      { code: "nar_hash_mismatch" },
    );
  }
}

/** Whether name and contents of a content-addressed path belong together. Throws UnprocessableError when they do not. */
export async function checkContent(files: NarStorage, claim: PathClaim): Promise<void> {
  if (claim.ca === null) return;
  const { path, references, narHash, ca } = claim;
  const verdict = await verifyContent(files, { path, references, narHash, ca });
  if (verdict.kind === "wrong") throw new UnprocessableError(verdict.reason, { code: "wrong_ca" });
}

/**
 * Compares the stated references with the NAR's bytes. What is stated has to occur there, unless it is part of the path's own address (texts);
 * and a path that mentions itself refers to itself. Other store paths may occur without being references: only the inputs of a build can become its
 * references, and nobody but its builder knows all of them. Throws UnprocessableError.
 */
export async function checkReferences(
  files: NarStorage,
  claim: PathClaim,
  object: NarObject,
): Promise<void> {
  if (claim.ca?.startsWith("text:") === true) return;
  const own = storePathHash(claim.path);
  const stated = new Set(claim.references.map(storePathHash));
  const found = await findReferences(files, object, [...stated, own]);
  const unfound = claim.references.find((reference) => !found.has(storePathHash(reference)));
  if (unfound !== undefined) {
    throw wrongReferences(
      `${claim.path} claims to refer to ${unfound}, which does not occur in it`,
    );
  }
  if (claim.ca === null && found.has(own) && !stated.has(own)) {
    throw wrongReferences(
      `${claim.path} mentions itself and does not say that it refers to itself`,
    );
  }
}

function wrongReferences(message: string): UnprocessableError {
  return new UnprocessableError(message, { code: "wrong_references" });
}

/** What is signed of a path. Throws UnprocessableError for references that have no fingerprint, such as one that stands twice. */
export function fingerprintOf(claim: PathClaim): string {
  try {
    return fingerprint({
      path: claim.path,
      narHash: parseNarHash(`sha256:${claim.narHash}`),
      narSize: claim.narSize,
      references: sortedOnce(claim.references),
    });
  } catch (cause) {
    if (!(cause instanceof SignatureError)) throw cause;
    throw new UnprocessableError(`${claim.path}: ${cause.message}`, { cause });
  }
}

/** As Nix has references in a fingerprint: each once, in order. */
export function sortedOnce(paths: readonly StorePath[]): StorePath[] {
  return [...new Set(paths)].toSorted();
}

/**
 * Signatures of others that may stand beside the cache's own. One by a key that is known here has to be right; what others have signed, their users
 * check. Throws UnprocessableError.
 */
export function checkSignatures(
  claim: PathClaim,
  text: string,
  keys: { own: readonly PublicKey[]; others: readonly PublicKey[] },
): string[] {
  const kept = new Set<string>();
  for (const signature of claim.signatures) {
    if (!SIGNATURE.test(signature)) {
      throw wrongSignature(`'${signature}' is no signature <key name>:<base 64 of 64 bytes>`);
    }
    const known = [...keys.own, ...keys.others].filter(
      ({ keyName }) => keyName === signatureKeyName(signature),
    );
    if (known.length > 0 && !known.some((key) => key.verifies(text, signature))) {
      throw wrongSignature(
        `the signature of ${claim.path} by '${signatureKeyName(signature)}' is not valid`,
      );
    }
    const keyName = signatureKeyName(signature);
    if (!keys.own.some((key) => key.keyName === keyName)) kept.add(signature);
  }
  if (kept.size > MAX_SIGNATURES) {
    throw wrongSignature(`${claim.path} has more than ${MAX_SIGNATURES} signatures`);
  }
  return [...kept];
}

function wrongSignature(message: string): UnprocessableError {
  return new UnprocessableError(message, { code: "wrong_signature" });
}

/** What the path refers to beside itself, as base names. */
export function outsideReferences(claim: PathClaim): string[] {
  const own = storePathHash(claim.path);
  return sortedOnce(claim.references)
    .map((reference) => reference.slice("/nix/store/".length))
    .filter((base) => hashPartOf(base) !== own);
}
