import {
  fingerprint,
  parseStorePath,
  PublicKey,
  SignatureError,
  StorePathError,
  type OrganizationId,
  type PathFacts,
} from "@gradient/protocol";
import { hashPartOf, type CachedPath } from "../db/cache-path-repository.ts";
import type { FindNarObject, NarObject } from "../db/nar-object-repository.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { fromPathFacts } from "./path-facts.ts";
import { verifyContent } from "./verify-content.ts";

/** What a claim about a path is checked against. */
export interface PathEvidence {
  readonly files: NarStorage;
  readonly findNarObject: FindNarObject;
  readonly possesses: Possesses;
}

/** Whether the organization has the NAR's bytes: it uploaded them, or may read a cache that shows them. Knowing their hash is not enough. */
export type Possesses = (organization: OrganizationId, narHash: string) => boolean;

/** Who makes a claim. */
export interface Claimant {
  readonly organization: OrganizationId;
  readonly workerKey: PublicKey;
}

export type PathVerdict =
  | { isVerified: true; path: CachedPath; object: NarObject; isContentAddressed: boolean }
  | { isVerified: false; reason: string };

const wrong = (reason: string): PathVerdict => ({ isVerified: false, reason });

/**
 * Checks a worker's claim: the NAR was uploaded for its organization and is the one, every claimed reference occurs in it, a content address is right,
 * and the worker's signature is valid. Without a valid signature the path passes only if its contents prove its name.
 * What passes carries the worker's signature and no other.
 */
export async function verifyPath(
  evidence: PathEvidence,
  facts: PathFacts,
  { organization, workerKey }: Claimant,
): Promise<PathVerdict> {
  const claim = fromPathFacts(facts);
  const object = evidence.findNarObject(claim.narHash);
  // What others have uploaded looks like what nobody has.
  if (object === null || !evidence.possesses(organization, claim.narHash)) {
    return wrong(`the NAR of ${facts.path} (${facts.narHash}) was not uploaded`);
  }
  if (object.narSize !== claim.narSize) {
    return wrong(`the NAR of ${facts.path} has ${object.narSize} bytes, not ${claim.narSize}`);
  }
  const signature = findSignature(facts, workerKey);
  if (!signature.isReadable) return wrong(signature.reason);
  const content = await checkContent(evidence.files, facts, claim);
  if (content.kind === "wrong") return wrong(content.reason);
  const isContentAddressed = content.kind === "verified";
  if (signature.valid === null && !isContentAddressed) {
    return wrong(
      `${facts.path} is not signed by the worker's key '${workerKey.keyName}', and its contents do not prove its name`,
    );
  }
  const path = { ...claim, signatures: signature.valid === null ? [] : [signature.valid] };
  return { isVerified: true, path, object, isContentAddressed };
}

async function checkContent(
  files: NarStorage,
  facts: PathFacts,
  claim: CachedPath,
): Promise<{ kind: "none" } | Awaited<ReturnType<typeof verifyContent>>> {
  if (facts.ca === null) return { kind: "none" };
  const path = parseStorePath(facts.path);
  const references = facts.references.map(parseStorePath);
  return verifyContent(files, { path, references, narHash: claim.narHash, ca: facts.ca });
}

type SignatureCheck =
  | { isReadable: true; valid: string | null }
  | { isReadable: false; reason: string };

/** Also finds paths and references that are none: they have no fingerprint. */
function findSignature(facts: PathFacts, key: PublicKey): SignatureCheck {
  try {
    const text = fingerprint(facts);
    return {
      isReadable: true,
      valid: facts.signatures.find((signature) => key.verifies(text, signature)) ?? null,
    };
  } catch (error) {
    if (!(error instanceof SignatureError) && !(error instanceof StorePathError)) throw error;
    return { isReadable: false, reason: error.message };
  }
}

/** Claimed references that do not occur among the runs that were found. */
export function unfoundReferences(path: CachedPath, found: ReadonlySet<string>): string[] {
  return path.references.filter((reference) => !found.has(hashPartOf(reference)));
}
