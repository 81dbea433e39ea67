import type { CollectionView, TimedPath } from "../db/collection-view.ts";
import { findKept, guardOf, report, unkeptBefore, type PassOptions } from "./collect-cache.ts";
import { Removal } from "./removal.ts";
import type { RowSet } from "./row-set.ts";

/** A path that may go, and when it was used last. */
interface Evictable {
  readonly cache: number;
  readonly path: TimedPath;
  readonly usedAt: number;
}

/** So many paths go before the room is measured again. */
const STEP = 32;

/**
 * Makes room: takes out of the caches what was used least recently, until no bytes are missing. What is pinned, what evaluations that go on and the newest of each project need, and what is
 * young stays, however full it is. What others refer to goes after them.
 */
export async function evict(
  options: PassOptions,
  caches: readonly string[],
  missingBytes: () => number,
): Promise<void> {
  const { times, isDryRun } = options;
  const guard = await guardOf(options, { createdSince: times.youngSince, fetchedSince: times.now });
  const kept: RowSet[] = [];
  const evictable: Evictable[] = [];
  for (const [at, cache] of caches.entries()) {
    const keptHere = await findKept(options, cache, "least");
    kept.push(keptHere);
    for await (const paths of unkeptBefore(options, cache, keptHere, times.youngSince)) {
      evictable.push(...paths.map((path) => ({ cache: at, path, usedAt: usedAt(path) })));
    }
  }
  evictable.sort((a, b) => a.usedAt - b.usedAt);
  if (isDryRun) return reportUntil(options, evictable, missingBytes);
  const removals = caches.map((cache) => new Removal(options, cache, guard));
  await removeInOrder(options, removals, kept, evictable, missingBytes);
}

async function removeInOrder(
  { view }: PassOptions,
  removals: readonly Removal[],
  kept: readonly RowSet[],
  evictable: readonly Evictable[],
  missingBytes: () => number,
): Promise<void> {
  for (let at = 0; at < evictable.length && missingBytes() > 0;) {
    const some = enough(view, evictable.slice(at, at + STEP), missingBytes());
    at += some.length;
    const cursor = some.at(-1)?.usedAt ?? 0;
    for (const [n, removal] of removals.entries()) {
      const rows = some.filter(({ cache }) => cache === n).map(({ path }) => path.row);
      if (rows.length === 0) continue;
      // What was used later has its turn later.
      const mayGo = (path: TimedPath) =>
        kept[n]?.has(path.row) === false && usedAt(path) <= cursor && missingBytes() > 0;
      await removal.add(rows, mayGo);
      await removal.finish(mayGo);
    }
  }
}

async function reportUntil(
  options: PassOptions,
  evictable: readonly Evictable[],
  missingBytes: () => number,
): Promise<void> {
  for (let at = 0; at < evictable.length && missingBytes() > 0;) {
    const some = enough(options.view, evictable.slice(at, at + STEP), missingBytes());
    at += some.length;
    await report(
      options,
      some.map(({ path }) => path),
    );
  }
}

/** The first of the paths, as many as it takes. */
function enough(
  view: CollectionView,
  paths: readonly Evictable[],
  missingBytes: number,
): readonly Evictable[] {
  const sizes = new Map(
    view.describe(paths.map(({ path }) => path.row)).map(({ row, fileSize }) => [row, fileSize]),
  );
  let bytes = 0;
  const last = paths.findIndex(({ path }) => {
    bytes += sizes.get(path.row) ?? 0;
    return bytes >= missingBytes;
  });
  return last < 0 ? paths : paths.slice(0, last + 1);
}

function usedAt({ at, lastFetchedAt }: TimedPath): number {
  return Math.max(at, lastFetchedAt ?? 0);
}
