import { ownerOfDocument } from "../caches/document-owner.ts";
import { batchesOf } from "../db/batches.ts";
import {
  deleteDocuments,
  findCacheDocument,
  findOrphans,
  type OrphanGuard,
  type OwnedDocument,
  type TimedDocument,
} from "../db/cache-document-repository.ts";
import { Turns } from "../intake/turns.ts";
import type { PassOptions } from "./collect-cache.ts";
import { name } from "./progress.ts";

/** For so many documents the paths of their cache are gone through once. */
const LOOK = 50_000;
const STEP = 200;
/** In one transaction, or a document that is larger. */
const MAX_BYTES = 8 * 1024 * 1024;
/** A path is seen so long after the time that it bears. */
const DELAY_MS = 60_000;

/**
 * Removes what was left beside the paths of a cache before that time and belongs to nothing that the cache has: logs whose derivation it has neither itself nor a path of,
 * realisations and indices of debug information whose path has gone. What was looked at in the pass is not looked at again.
 */
export async function removeDocuments(
  options: PassOptions,
  cache: string,
  before: number,
): Promise<void> {
  const { times, signal, documentsBefore } = options;
  const guard = { cacheId: cache, shownSince: times.now - DELAY_MS };
  let after: TimedDocument = { at: documentsBefore.get(cache) ?? 0, name: "" };
  documentsBefore.set(cache, before);
  for (;;) {
    signal.throwIfAborted();
    const documents = await nextDocuments(options, cache, after, before);
    const last = documents.at(-1);
    if (last === undefined) return;
    after = last;
    for (const batch of batchesOf(await withoutPath(options, cache, documents), STEP)) {
      await removeOrphans(options, guard, batch);
    }
  }
}

async function nextDocuments(
  { view }: PassOptions,
  cache: string,
  from: TimedDocument,
  before: number,
): Promise<TimedDocument[]> {
  const turns = new Turns();
  const documents: TimedDocument[] = [];
  while (documents.length < LOOK) {
    const some = view.documentsAfter(cache, documents.at(-1) ?? from, before, STEP);
    if (some.length === 0) break;
    documents.push(...some);
    await turns.giveWay();
  }
  return documents;
}

/** Those of the documents that no path of the cache was built from, as far as the paths are gone through. */
async function withoutPath(
  options: PassOptions,
  cache: string,
  documents: readonly TimedDocument[],
): Promise<OwnedDocument[]> {
  const { kysely, signal } = options;
  const turns = new Turns();
  const owned: OwnedDocument[] = [];
  for (const document of documents) {
    signal.throwIfAborted();
    const findBody = () => findCacheDocument(kysely, cache, document.name);
    owned.push({ ...document, ...(await ownerOfDocument(document.name, findBody)) });
    await turns.giveWay();
  }
  const unseen = new Set(owned.flatMap(({ deriver }) => deriver ?? []));
  await removeSeen(options, cache, unseen);
  return owned.filter(({ deriver }) => deriver === undefined || unseen.has(deriver));
}

/** Goes through the paths of the cache in the order in which they came, for an index of their derivers would cost each of them more. */
async function removeSeen(
  { view, signal }: PassOptions,
  cache: string,
  derivers: Set<string>,
): Promise<void> {
  const turns = new Turns();
  for (let after = { at: 0, row: 0 }; derivers.size > 0;) {
    signal.throwIfAborted();
    const paths = view.deriversAfter(cache, after, STEP);
    const last = paths.at(-1);
    if (last === undefined) return;
    after = last;
    for (const { deriver } of paths) if (deriver !== null) derivers.delete(deriver);
    await turns.giveWay();
  }
}

async function removeOrphans(
  { kysely, release, progress, isDryRun }: PassOptions,
  guard: OrphanGuard,
  documents: readonly OwnedDocument[],
): Promise<void> {
  const orphans = await findOrphans(kysely, guard, documents);
  for (const some of isDryRun ? [orphans] : boundedBy(MAX_BYTES, orphans)) {
    const gone = isDryRun
      ? some
      : (await release({ narHashes: [], paths: [] }, (db) => deleteDocuments(db, guard, some)))
          .result;
    progress.files += gone.length;
    progress.fileBytes += gone.reduce((sum, { bytes }) => sum + bytes, 0);
    name(
      progress,
      gone.map((document) => `${document.name}: beside no path`),
    );
  }
}

function* boundedBy<T extends { readonly bytes: number }>(
  maxBytes: number,
  documents: readonly T[],
): Generator<T[], void, undefined> {
  let batch: T[] = [];
  let bytes = 0;
  for (const document of documents) {
    if (batch.length > 0 && bytes + document.bytes > maxBytes) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(document);
    bytes += document.bytes;
  }
  if (batch.length > 0) yield batch;
}
