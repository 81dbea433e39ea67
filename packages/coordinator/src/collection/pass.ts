import type { CacheToCollect } from "../db/collection-view.ts";
import { BYTES_PER_GB } from "../rules/storage.ts";
import { collectCache, type PassOptions } from "./collect-cache.ts";
import { evict } from "./evict.ts";
import type { KeepTimes } from "./mark-kept.ts";
import type { PassTools } from "./pass-tools.ts";
import type { Progress } from "./progress.ts";
import { removeDocuments } from "./remove-documents.ts";
import { removeUnusedNars } from "./remove-unused.ts";
import { RowSet } from "./row-set.ts";

/** Room is made as soon as less than a twentieth is left, and until a tenth is. */
export const FULL_SHARE = 0.95;
const ROOMY_SHARE = 0.9;

/** What a pass is to do. */
export interface PassJob {
  /** null for all caches, and what no cache shows any more. */
  readonly cache: string | null;
  readonly isDryRun: boolean;
  readonly times: KeepTimes;
  /** Bytes of all files; 0 for no limit. */
  readonly maxStorageBytes: number;
  /** By cache: bytes of the largest file that did not fit. */
  readonly wanted: ReadonlyMap<string, number>;
}

/** Takes out of caches what nothing needs any more, and the NARs that no cache shows then. Rejects when the signal is aborted. */
export async function runPass(job: PassJob, tools: PassTools): Promise<void> {
  const { cache, isDryRun, times } = job;
  const { view, progress } = tools;
  const caches = view.caches().filter(({ id }) => cache === null || cache === id);
  progress.cachesTotal = caches.length;
  const options: PassOptions = {
    ...tools,
    times,
    isDryRun,
    reported: new RowSet(),
    documentsBefore: new Map<string, number>(),
  };
  for (const each of caches) {
    progress.phase = `cache ${each.name}`;
    const goneBefore = goneBytes(progress);
    await collectCache(options, each.id);
    await removeDocuments(options, each.id, times.usedSince);
    await makeRoom(options, each, { goneBefore, wantedBytes: job.wanted.get(each.id) ?? 0 });
    progress.cachesDone += 1;
  }
  if (cache === null) await makeRoomOnDisk(options, job);
  progress.phase = "files";
  await removeUnusedNars(tools, { unusedSince: times.youngSince, isDryRun });
}

/** `goneBefore`: `goneBytes` when the cache's turn came. */
async function makeRoom(
  options: PassOptions,
  cache: CacheToCollect,
  { goneBefore, wantedBytes }: { goneBefore: number; wantedBytes: number },
): Promise<void> {
  const { view, progress, isDryRun, times } = options;
  const limit = limitOf(cache);
  const missingBytes = (share: number): number =>
    view.totals(cache.id).storedBytes -
    (isDryRun ? goneBytes(progress) - goneBefore : 0) -
    Math.min(share * limit, limit - wantedBytes);
  if (limit === 0 || missingBytes(FULL_SHARE) <= 0) return;
  progress.phase = `room in cache ${cache.name}`;
  await removeDocuments(options, cache.id, times.youngSince);
  await evict(options, [cache.id], () => missingBytes(ROOMY_SHARE));
}

async function makeRoomOnDisk(
  options: PassOptions,
  { maxStorageBytes }: Pick<PassJob, "maxStorageBytes">,
): Promise<void> {
  const { view, progress, isDryRun, times } = options;
  const missingBytes = (share: number): number =>
    view.diskBytes() - (isDryRun ? goneBytes(progress) : 0) - share * maxStorageBytes;
  if (maxStorageBytes === 0 || missingBytes(FULL_SHARE) <= 0) return;
  progress.phase = "room on the disk";
  const caches = view.caches().map(({ id }) => id);
  for (const cache of caches) await removeDocuments(options, cache, times.youngSince);
  await evict(options, caches, () => missingBytes(ROOMY_SHARE));
}

/** What a dry run would have removed so far. */
function goneBytes({ pathBytes, fileBytes }: Progress): number {
  return pathBytes + fileBytes;
}

/** Bytes; 0 for no limit. */
export function limitOf({ maxStorageGb }: CacheToCollect): number {
  return maxStorageGb * BYTES_PER_GB;
}
