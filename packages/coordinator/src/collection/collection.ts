import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import { CollectionView } from "../db/collection-view.ts";
import type { NarRemovals } from "../intake/nar-removals.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import { FULL_SHARE, limitOf, type PassJob } from "./pass.ts";
import type { Progress } from "./progress.ts";
import { removeStrayFiles } from "./remove-strays.ts";

/** Whoever uploads something has so long until something refers to it, or an evaluation needs it. */
const GRACE_MS = 24 * 3600 * 1000;

/** Makes a pass over caches. When it resolves, all is durable and the files are gone. Rejects when the signal is aborted. */
export type MakePass = (
  job: PassJob,
  run: { progress: Progress; signal: AbortSignal },
) => Promise<void>;

export interface CollectionOptions {
  readonly database: Pick<Database, "prepare">;
  readonly clock: Pick<Clock, "now">;
  readonly files: NarStorage;
  readonly removals: Pick<NarRemovals, "findStrays" | "removeStrays">;
  readonly makePass: MakePass;
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
    const { clock, ttlMs, maxStorageBytes, makePass, files, removals } = this.#options;
    const now = clock.now();
    const times = { now, usedSince: now - ttlMs, youngSince: now - GRACE_MS };
    const wanted = new Map(this.#wanted);
    if (!isDryRun) {
      if (cache === null) this.#wanted.clear();
      else this.#wanted.delete(cache);
    }
    await makePass({ cache, isDryRun, times, maxStorageBytes, wanted }, { progress, signal });
    const strays = await removeStrayFiles({ files, removals, isDryRun, progress, signal });
    progress.files += isDryRun ? strays.found : strays.removed;
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
          this.#view.totals(cache.id).storedBytes > FULL_SHARE * limitOf(cache),
      )
      .map(({ id }) => id);
  }
}
