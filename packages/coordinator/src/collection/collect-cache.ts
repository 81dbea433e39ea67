import { v7 as uuidv7 } from "uuid";
import { firstOpenEvaluation, type RemovalGuard } from "../db/collection-repository.ts";
import type { TimedPath } from "../db/collection-view.ts";
import { Turns } from "../intake/turns.ts";
import { Marking, type KeepTimes, type Keeping } from "./mark-kept.ts";
import type { PassTools } from "./pass-tools.ts";
import { name } from "./progress.ts";
import { Removal } from "./removal.ts";
import type { RowSet } from "./row-set.ts";

const STEP = 200;

/** What a pass is made with. */
export interface PassOptions extends PassTools {
  readonly times: KeepTimes;
  readonly isDryRun: boolean;
  /** What a dry run has reported already. */
  readonly reported: RowSet;
  /** By cache: what lies beside its paths and came before that time was looked at. */
  readonly documentsBefore: Map<string, number>;
}

/** Takes out of one cache what nothing keeps. */
export async function collectCache(options: PassOptions, cache: string): Promise<void> {
  const { times, view, isDryRun, progress } = options;
  const until = Math.min(times.usedSince, times.youngSince);
  const guard = await guardOf(options, { createdSince: until, fetchedSince: times.usedSince });
  const kept = await findKept(options, cache, "all");
  if (isDryRun) {
    for await (const paths of unkeptBefore(options, cache, kept, until)) {
      await report(options, paths);
    }
    return;
  }
  const removal = new Removal(options, cache, guard);
  let at: TimedPath = { at: until, row: 0, lastFetchedAt: null };
  const mayGo = (path: TimedPath): boolean =>
    !kept.has(path.row) && path.at < until && isBehind(at, path);
  for await (const paths of unkeptBefore(options, cache, kept, until)) {
    at = paths.at(-1) ?? at;
    await removal.add(
      paths.map(({ row }) => row),
      mayGo,
    );
  }
  at = { at: 0, row: 0, lastFetchedAt: null };
  await removal.finish(mayGo);
  progress.phase = `${view.totals(cache).paths} paths stay`;
}

/** Whether the walk, which goes from the newest to the oldest, has come past the path. */
function isBehind(cursor: TimedPath, path: TimedPath): boolean {
  return path.at > cursor.at || (path.at === cursor.at && path.row >= cursor.row);
}

/** Rows of what the cache keeps now. It gives way to others in between, so what comes meanwhile may not be among them: whoever removes looks again. */
export function findKept(options: PassOptions, cache: string, keeping: Keeping): Promise<RowSet> {
  const { view, times, signal } = options;
  return new Marking({ view, cache, times, signal, turns: new Turns() }).run(keeping);
}

/** What has to be known before it is found out what is kept. */
export async function guardOf(
  { kysely, times }: PassOptions,
  since: Pick<RemovalGuard, "createdSince" | "fetchedSince">,
): Promise<RemovalGuard> {
  const evaluationsFrom = await firstOpenEvaluation(kysely, uuidv7());
  return { ...since, now: times.now, pinnedSince: times.now, evaluationsFrom };
}

/** Paths of the cache that came before that time and are not kept, the newest first. */
export async function* unkeptBefore(
  { view, signal }: PassOptions,
  cache: string,
  kept: RowSet,
  until: number,
): AsyncGenerator<TimedPath[], void, undefined> {
  const turns = new Turns();
  for (let before = { at: until, row: 0 }; ;) {
    signal.throwIfAborted();
    const paths = view.createdBefore(cache, before, STEP);
    const last = paths.at(-1);
    if (last === undefined) return;
    before = last;
    const unkept = paths.filter(({ row }) => !kept.has(row));
    if (unkept.length > 0) yield unkept;
    await turns.giveWay();
  }
}

/** Counts what would go. */
export async function report(
  { view, progress, isPromised, reported }: PassOptions,
  paths: readonly TimedPath[],
): Promise<void> {
  const described = view.describe(paths.map(({ row }) => row));
  const isKept = await isPromised(described.map(({ path }) => path));
  const going = described.filter(({ row, path }) => !isKept(path) && reported.add(row));
  progress.paths += going.length;
  progress.pathBytes += going.reduce((sum, { fileSize }) => sum + fileSize, 0);
  name(
    progress,
    going.map(({ path }) => path),
  );
}
