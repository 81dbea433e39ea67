import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { CollectionView, type CacheToCollect } from "../db/collection-view.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { BYTES_PER_GB } from "../rules/storage.ts";
import { collectCache, type PassOptions } from "./collect-cache.ts";
import { evict } from "./evict.ts";
import type { Progress } from "./progress.ts";
import type { PromisedPaths } from "./promised-paths.ts";
import { RowSet } from "./row-set.ts";
import { removeStrayFiles, removeUnusedNars } from "./remove-unused.ts";

/** Whoever uploads something has so long until something refers to it, or an evaluation needs it. */
const GRACE_MS = 24 * 3600 * 1000;

/** Room is made as soon as less than a twentieth is left, and until a tenth is. */
const FULL_SHARE = 0.95;
const ROOMY_SHARE = 0.9;

export interface CollectionOptions {
  readonly database: Database;
  readonly clock: Pick<Clock, "now">;
  readonly files: NarStorage;
  readonly intake: NarIntake;
  readonly promised: PromisedPaths;
  /** How long a path stays that nobody fetches and nothing needs. */
  readonly ttlMs: number;
  /** Bytes of all files; 0 for no limit. */
  readonly maxStorageBytes: number;
}

/** Takes out of caches what nothing needs any more, and from the disk what no cache shows. A pass that ended early is as good as one that was never begun. */
export class Collection {
  readonly #options: CollectionOptions;
  readonly #view: CollectionView;
  /** By cache: bytes of the largest file that did not fit since room was made there. */
  readonly #wanted = new Map<string, number>();

  constructor(options: CollectionOptions) {
    this.#options = options;
    this.#view = new CollectionView(options.database);
  }

  /** A file of so many bytes did not fit into the cache: the next pass makes room for it, however little the cache is filled. */
  want(cacheId: string, fileBytes: number): void {
    this.#wanted.set(cacheId, Math.max(fileBytes, this.#wanted.get(cacheId) ?? 0));
  }

  /** One pass over one cache, or over all. Rejects when the signal is aborted. */
  async run(pass: {
    cache: string | null;
    isDryRun: boolean;
    progress: Progress;
    signal: AbortSignal;
  }): Promise<void> {
    const { cache, isDryRun, progress, signal } = pass;
    const caches = this.#view.caches().filter(({ id }) => cache === null || cache === id);
    progress.cachesTotal = caches.length;
    const options = this.#passOptions(pass);
    for (const each of caches) {
      progress.phase = `cache ${each.name}`;
      await collectCache(options, each.id);
      await this.#makeRoom(options, each);
      progress.cachesDone += 1;
    }
    if (cache === null) await this.#makeRoomOnDisk(options);
    if (isDryRun) return;
    progress.phase = "files";
    const { files, intake, clock } = this.#options;
    await removeUnusedNars({ view: this.#view, intake, progress, signal }, clock.now() - GRACE_MS);
    await removeStrayFiles(files, intake, { progress, signal });
  }

  /** Caches that have too little room; null when the disk has. */
  findFull(): (string | null)[] {
    const { maxStorageBytes } = this.#options;
    if (maxStorageBytes > 0 && this.#view.diskBytes() > FULL_SHARE * maxStorageBytes) return [null];
    return this.#view
      .caches()
      .filter(
        (cache) =>
          cache.maxStorageGb > 0 &&
          this.#view.totals(cache.id).fileBytes > FULL_SHARE * limitOf(cache),
      )
      .map(({ id }) => id);
  }

  async #makeRoom(options: PassOptions, cache: CacheToCollect): Promise<void> {
    const { view, progress, isDryRun } = options;
    const before = progress.pathBytes;
    const wanted = this.#wanted.get(cache.id) ?? 0;
    if (!isDryRun) this.#wanted.delete(cache.id);
    const missingBytes = (share: number): number =>
      view.totals(cache.id).fileBytes -
      (isDryRun ? progress.pathBytes - before : 0) -
      Math.min(share * limitOf(cache), limitOf(cache) - wanted);
    if (cache.maxStorageGb === 0 || missingBytes(FULL_SHARE) <= 0) return;
    progress.phase = `room in cache ${cache.name}`;
    await evict(options, [cache.id], () => missingBytes(ROOMY_SHARE));
  }

  async #makeRoomOnDisk(options: PassOptions): Promise<void> {
    const { maxStorageBytes } = this.#options;
    const { view, progress, isDryRun } = options;
    const missingBytes = (share: number): number =>
      view.diskBytes() - (isDryRun ? progress.pathBytes : 0) - share * maxStorageBytes;
    if (maxStorageBytes === 0 || missingBytes(FULL_SHARE) <= 0) return;
    progress.phase = "room on the disk";
    const caches = view.caches().map(({ id }) => id);
    await evict(options, caches, () => missingBytes(ROOMY_SHARE));
  }

  #passOptions({
    isDryRun,
    progress,
    signal,
  }: Pick<PassOptions, "isDryRun" | "progress" | "signal">): PassOptions {
    const { database, clock, intake, promised, ttlMs } = this.#options;
    const now = clock.now();
    return {
      kysely: database.kysely,
      view: this.#view,
      intake,
      times: { now, usedSince: now - ttlMs, youngSince: now - GRACE_MS },
      isPromised: (base) => promised.has(base),
      isDryRun,
      reported: new RowSet(),
      progress,
      signal,
    };
  }
}

function limitOf({ maxStorageGb }: CacheToCollect): number {
  return maxStorageGb * BYTES_PER_GB;
}
