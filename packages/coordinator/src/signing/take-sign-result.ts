import { fingerprint, type PublicKey, type SignResult } from "@gradient/protocol";
import { retryDelay, type RetryPolicy } from "../builds/verdict.ts";
import type { Answer, Lease } from "../db/assignment-repository.ts";
import {
  findShownPaths,
  findWritableCaches,
  setSignatures,
  type ShownPath,
} from "../db/cache-path-repository.ts";
import type { Queries } from "../db/client.ts";
import {
  deleteUnsignedPaths,
  findClaimedPaths,
  postponeUnsignedPath,
  type UnsignedPath,
} from "../db/unsigned-path-repository.ts";
import { baseOf, toPathFacts } from "../intake/path-facts.ts";
import { ACCEPTED, refused } from "../queue/answer.ts";
import type { Change } from "../queue/change.ts";

/**
 * Adds a worker's signatures to what the organization's caches show. Call it under its lease. Each path is judged by itself: a right signature is taken,
 * a wrong one changes nothing and is the reason of the refusal. Either way the path leaves the list, as does one that the worker has no more;
 * only what a transient failure kept from being signed is offered again, a few times. Signatures that nobody asked for are not looked at.
 */
export async function takeSignResult(
  change: Change,
  lease: Lease,
  result: SignResult,
  { workerKey, retries }: { workerKey: PublicKey; retries: RetryPolicy },
): Promise<Answer> {
  const { kysely, now } = change;
  const { organization } = lease;
  const asked = await findClaimedPaths(kysely, lease.fencing);
  const signatures = new Map(
    result.signatures.map(({ path, signature }) => [baseOf(path), signature]),
  );
  const caches = await findWritableCaches(kysely, organization);
  const signed = asked.map(({ path }) => path).filter((path) => signatures.has(path));
  const wrong = new Set(signed);
  for (const shown of await findShownPaths(kysely, caches, signed)) {
    const signature = signatures.get(shown.path) ?? "";
    if (await addSignature(kysely, shown, signature, workerKey)) wrong.delete(shown.path);
  }
  const done = new Set(asked.map(({ path }) => path));
  if (result.failure?.isTransient === true) {
    for (const open of asked.filter(({ path }) => !signatures.has(path))) {
      const tries = open.tries + 1;
      const delayMs = retryDelay(retries, tries);
      if (delayMs === null) continue;
      const again: UnsignedPath = { path: open.path, tries };
      await postponeUnsignedPath(kysely, organization, again, now + delayMs);
      done.delete(open.path);
    }
  }
  await deleteUnsignedPaths(kysely, organization, [...done]);
  return wrong.size === 0 ? ACCEPTED : refused(refusal([...wrong], workerKey));
}

/** False when the signature is not the worker's over what the cache shows. */
async function addSignature(
  kysely: Queries,
  shown: ShownPath,
  signature: string,
  workerKey: PublicKey,
): Promise<boolean> {
  const text = fingerprint(toPathFacts(shown));
  if (!workerKey.verifies(text, signature)) return false;
  // Ed25519 has more than one text for a signature: what counts is whether the key has signed.
  if (shown.signatures.some((other) => workerKey.verifies(text, other))) return true;
  await setSignatures(kysely, shown, [...shown.signatures, signature]);
  return true;
}

function refusal(wrong: readonly string[], { keyName }: PublicKey): string {
  const paths = wrong.map((path) => `/nix/store/${path}`).join(", ");
  return `not signed by the worker's key '${keyName}' as the organization's caches show it: ${paths}`;
}
