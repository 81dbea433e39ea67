import { fingerprint, PublicKey } from "@gradient/protocol";
import { findShownPaths } from "../db/cache-path-repository.ts";
import type { Queries } from "../db/client.ts";
import {
  deleteKeyChange,
  findKeyChange,
  findWorkerKeys,
  nextCacheOfWorker,
  pathsAfter,
  publisherOfCache,
  setKeyChange,
  type KeyChange,
} from "../db/key-change-repository.ts";
import { insertUnsignedPaths } from "../db/unsigned-path-repository.ts";
import { toPathFacts } from "../intake/path-facts.ts";
import type { ChangeFacts } from "../queue/change.ts";

/** Paths that are looked at in one step. */
const STEP = 500;

/**
 * After a worker's new key was approved: lists what its old one has signed, so that the worker is asked for signatures with the new one.
 * One bounded step; how far it came is stored with what it listed. False when no worker's key has changed.
 */
export async function listForNewKey(options: {
  kysely: Queries;
  changes: ChangeFacts;
}): Promise<boolean> {
  const { kysely, changes } = options;
  const keyChange = await findKeyChange(kysely);
  if (keyChange === null) return false;
  const { worker, cache, hashPart } = keyChange;
  const paths = await pathsAfter(kysely, cache, hashPart, STEP);
  const last = paths.at(-1);
  const organization = await publisherOfCache(kysely, worker, cache);
  if (last === undefined || organization === null) {
    const next = await nextCacheOfWorker(kysely, worker, cache);
    if (next === null) await deleteKeyChange(kysely, keyChange);
    else await setKeyChange(kysely, { ...keyChange, cache: next, hashPart: "" });
    return true;
  }
  const lacking = await findLacking(kysely, keyChange, paths);
  await changes(async (change) => {
    if (lacking.length > 0) {
      await insertUnsignedPaths(change.kysely, organization, worker, lacking, change.now);
      change.news.signing.add(worker);
    }
    await setKeyChange(change.kysely, { ...keyChange, hashPart: last.hashPart });
  });
  return true;
}

/**
 * Base names of those that the old key has really signed, as another worker's key may bear the same name, and that the new one has not:
 * a path that several caches show is signed in all of them at once.
 */
async function findLacking(
  kysely: Queries,
  { worker, cache, oldKey }: KeyChange,
  paths: readonly { path: string; signatures: readonly string[] }[],
): Promise<string[]> {
  const old = PublicKey.parse(oldKey);
  const keys = await findWorkerKeys(kysely, worker);
  const current = keys === null ? null : PublicKey.parse(keys.key);
  const named = paths.filter(({ signatures }) =>
    signatures.some((each) => each.startsWith(`${old.keyName}:`)),
  );
  const bases = named.map(({ path }) => path);
  const shown = await findShownPaths(kysely, [cache], bases);
  return shown
    .filter((path) => {
      const text = fingerprint(toPathFacts(path));
      const isSigned = (key: PublicKey) => path.signatures.some((each) => key.verifies(text, each));
      return isSigned(old) && (current === null || !isSigned(current));
    })
    .map(({ path }) => path);
}
