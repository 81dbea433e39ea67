import type { BuildResult, PublicKey } from "@gradient/protocol";
import type { OrganizationId } from "@gradient/protocol";
import { hashPartOf, type CachedPath, type CachedPathReads } from "../db/cache-path-repository.ts";
import type { DerivationReads } from "../db/derivation-repository.ts";
import type { NarObject } from "../db/nar-object-repository.ts";
import { findClosure } from "../intake/closure.ts";
import { findReferences } from "../intake/find-references.ts";
import { baseOf } from "../intake/path-facts.ts";
import { unfoundReferences, verifyPath, type PathEvidence } from "../intake/verify-path.ts";

export interface OutputEvidence extends PathEvidence {
  readonly derivations: DerivationReads;
  readonly cachedPaths: CachedPathReads;
}

/** What was built, as far as the result is compared with it. */
export interface BuiltDerivation {
  readonly id: number;
  /** Base name. */
  readonly drvPath: string;
  readonly organization: OrganizationId;
}

export type OutputVerdict =
  | { isVerified: true; outputs: readonly { name: string; path: CachedPath }[] }
  | { isVerified: false; reason: string };

interface VerifiedOutput {
  readonly name: string;
  readonly path: CachedPath;
  readonly object: NarObject;
}

/**
 * Checks everything that a result claims of its outputs: they are the derivation's, their NARs were uploaded and are the ones, the worker has signed them,
 * and their references are exactly what occurs in them out of all that the build could see.
 */
export async function verifyOutputs(
  evidence: OutputEvidence,
  derivation: BuiltDerivation,
  result: BuildResult,
  workerKey: PublicKey,
): Promise<OutputVerdict> {
  const { organization } = derivation;
  const expected = evidence.derivations.outputs(derivation.id);
  const mismatch = compareOutputs(expected, result, derivation.drvPath);
  if (mismatch !== null) return { isVerified: false, reason: mismatch };
  const outputs: VerifiedOutput[] = [];
  for (const { name, facts } of result.outputs) {
    const verdict = await verifyPath(evidence, facts, { organization, workerKey });
    if (!verdict.isVerified) return verdict;
    const { object, isContentAddressed } = verdict;
    const isFixed = expected.some((output) => output.name === name && output.path !== null);
    if (!isFixed && !isContentAddressed) {
      return {
        isVerified: false,
        reason: `output '${name}' has to be addressed by its content, and ${facts.path} is not`,
      };
    }
    if (verdict.path.signatures.length === 0) {
      return {
        isVerified: false,
        reason: `${facts.path} is not signed by the worker's key '${workerKey.keyName}'`,
      };
    }
    outputs.push({ name, object, path: { ...verdict.path, deriver: derivation.drvPath } });
  }
  const reason = await checkReferences(evidence, derivation, outputs);
  if (reason !== null) return { isVerified: false, reason };
  return { isVerified: true, outputs: outputs.map(({ name, path }) => ({ name, path })) };
}

function compareOutputs(
  expected: readonly { name: string; path: string | null }[],
  result: BuildResult,
  drvPath: string,
): string | null {
  const claimed = new Map(result.outputs.map(({ name, facts }) => [name, baseOf(facts.path)]));
  const names = expected.map(({ name }) => name).toSorted();
  if (
    claimed.size !== result.outputs.length ||
    [...claimed.keys()].toSorted().join() !== names.join()
  ) {
    const given = result.outputs.map(({ name }) => name).join(", ") || "none";
    return `the outputs of ${drvPath} are ${names.join(", ")}; the result has ${given}`;
  }
  for (const { name, path } of expected) {
    const claim = claimed.get(name);
    if (path !== null && claim !== path) {
      return `output '${name}' of ${drvPath} is /nix/store/${path}, not /nix/store/${claim}`;
    }
  }
  return null;
}

/** Null when they are right. */
async function checkReferences(
  evidence: OutputEvidence,
  derivation: BuiltDerivation,
  outputs: readonly VerifiedOutput[],
): Promise<string | null> {
  const own = outputs.map(({ path }) => hashPartOf(path.path));
  let visible: Map<string, string> | null = null;
  for (const { path, object } of outputs) {
    const claimed = path.references.map(hashPartOf);
    const suspects = suspectsOf(evidence, derivation, object, claimed, own);
    if (suspects === null || suspects.length > 0) {
      visible ??= await visibleToBuild(evidence, derivation, outputs);
    }
    const candidates = suspects ?? [...(visible?.keys() ?? [])];
    const found = await findReferences(
      evidence.files,
      object,
      new Set([...claimed, ...candidates]),
    );
    const [unfound] = unfoundReferences(path, found);
    if (unfound !== undefined) {
      return `/nix/store/${path.path} claims to refer to /nix/store/${unfound}, which does not occur in it`;
    }
    const isClaimed = new Set(claimed);
    const unclaimed = candidates.find(
      (hash) => found.has(hash) && !isClaimed.has(hash) && visible?.has(hash),
    );
    if (unclaimed !== undefined) {
      return `/nix/store/${path.path} refers to /nix/store/${visible?.get(unclaimed)} and does not say so`;
    }
  }
  return null;
}

/** More runs than these are not looked up one by one. */
const MAX_LOOKUPS = 1000;

/** Unclaimed runs that are the hash of something that exists. Null: there are too many runs to tell. Mostly empty, so that no closure has to be walked. */
function suspectsOf(
  evidence: OutputEvidence,
  { organization }: BuiltDerivation,
  object: NarObject,
  claimed: readonly string[],
  own: readonly string[],
): string[] | null {
  if (object.foundHashes === null || object.foundHashes.length > MAX_LOOKUPS) return null;
  const isClaimed = new Set(claimed);
  return object.foundHashes.filter(
    (hash) =>
      !isClaimed.has(hash) &&
      (own.includes(hash) || evidence.cachedPaths.ofOrganization(organization, hash) !== null),
  );
}

/** Base names by hash part: the closure of the build's inputs, and its own outputs. */
async function visibleToBuild(
  { derivations, cachedPaths }: OutputEvidence,
  { id, organization }: BuiltDerivation,
  outputs: readonly VerifiedOutput[],
): Promise<Map<string, string>> {
  const inputs = [...derivations.inputPaths(id), ...derivations.sources(id)];
  const closure = await findClosure(cachedPaths, organization, inputs);
  const bases = [...closure.paths, ...outputs.map(({ path }) => path)].map(({ path }) => path);
  return new Map(bases.map((base) => [hashPartOf(base), base]));
}
