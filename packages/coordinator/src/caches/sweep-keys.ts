import { fingerprint } from "@gradient/protocol";
import {
  endKeySweep,
  findKeySweep,
  listCacheKeys,
  moveKeySweep,
  type ShownCacheKey,
} from "../db/cache-key-repository.ts";
import {
  hashPartOf,
  setSignatures,
  shownPathsAfter,
  type ShownPath,
} from "../db/cache-path-repository.ts";
import { toPublicKey } from "../keys/cache-key.ts";
import { toPathFacts } from "../intake/path-facts.ts";
import type { CacheSigner } from "../ports.ts";
import type { ChangeFacts } from "../queue/change.ts";

/** Paths that are signed in one step: some ten milliseconds in which nobody else writes. */
const STEP = 100;

/**
 * After the keys of a cache changed: brings every path that it shows to the signatures of its keys. One bounded step; how far it came is stored with
 * what it did, so it goes on after a restart. What is shown meanwhile is signed with the new set already. False when no cache is to be swept.
 */
export async function sweepKeys(options: {
  signer: CacheSigner;
  changes: ChangeFacts;
}): Promise<boolean> {
  return options.changes(async ({ kysely }) => {
    const sweep = await findKeySweep(kysely);
    if (sweep === null) return false;
    const { cache, hashPart } = sweep;
    const paths = await shownPathsAfter(kysely, cache, hashPart, STEP);
    const last = paths.at(-1);
    if (last === undefined) {
      await endKeySweep(kysely, cache);
      return true;
    }
    const known = await listCacheKeys(kysely, cache);
    for (const path of paths) {
      const text = fingerprint(toPathFacts(path));
      const { signatures: own } = await options.signer.sign(cache, text);
      const signatures = arrange(path, text, own, known);
      if (signatures.join() !== path.signatures.join()) {
        await setSignatures(kysely, path, signatures);
      }
    }
    await moveKeySweep(kysely, { cache, hashPart: hashPartOf(last.path) });
    return true;
  });
}

/**
 * The signatures that a path is to have: those of the active keys, then what retired ones have signed before, then everybody else's. What a key has signed
 * that is to be removed is left out. Others may have a key of the same name, so its name alone says nothing.
 */
function arrange(
  path: ShownPath,
  text: string,
  own: readonly string[],
  keys: readonly ShownCacheKey[],
): string[] {
  const retired: string[] = [];
  const others: string[] = [];
  for (const signature of path.signatures) {
    if (own.includes(signature)) continue;
    const signer = keys.find(
      (key) =>
        signature.startsWith(`${key.key_name}:`) && toPublicKey(key).verifies(text, signature),
    );
    if (signer === undefined) others.push(signature);
    else if (signer.state === "retired") retired.push(signature);
  }
  return [...own, ...retired, ...others];
}
