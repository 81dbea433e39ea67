import { deleteHiddenNarFiles, findHiddenNarFiles } from "../db/cache-nar-file-repository.ts";
import { deleteCachedPath, findReferrers } from "../db/cache-path-repository.ts";
import type { Database, Queries } from "../db/client.ts";
import { deleteNar, deleteUnusedNars, type GoneNar } from "../db/collection-repository.ts";
import {
  deleteUnusedNarObject,
  isNarShown,
  type FindNarObject,
} from "../db/nar-object-repository.ts";
import type { NarStorage } from "../storage/nar-storage.ts";
import type { KeyedLock } from "./keyed-lock.ts";

/** Files that caches were given are looked at for so long; what is shown by then is not looked at again. */
const HIDDEN_LOOKED_AT_MS = 7 * 24 * 3600 * 1000;

/** NARs that went. */
export interface Released {
  readonly gone: readonly GoneNar[];
  /** Resolves when that is durable and their files are gone, too. */
  readonly finished: Promise<void>;
}

/** A thread that takes paths out of caches. */
export interface ReleasingThread {
  /** It may write now. Resolves to the NARs that went, when that is committed. */
  readonly remove: () => Promise<readonly GoneNar[]>;
  /** It removes files of this machine's disk; those that are not there do not matter. */
  readonly unlink: (files: readonly string[]) => Promise<void>;
}

/** Where NARs go: the row and the file of one are never of different uploads. */
export class NarRemovals {
  readonly #database: Database;
  readonly #files: NarStorage;
  readonly #find: FindNarObject;
  readonly #lock: KeyedLock;

  /** `lock`: that of those who store NARs, by NAR hash. */
  constructor(options: {
    database: Database;
    files: NarStorage;
    findNarObject: FindNarObject;
    lock: KeyedLock;
  }) {
    this.#database = options.database;
    this.#files = options.files;
    this.#find = options.findNarObject;
    this.#lock = options.lock;
  }

  /** Forgets what a cache was given of a NAR that it shows no path with, and the NAR itself when nobody else has it. */
  async discard(cacheId: string, narHash: string): Promise<void> {
    await this.#lock.hold([narHash], async () => {
      const isGone = await this.#database.transaction(async ({ kysely }) => {
        await deleteHiddenNarFiles(kysely, cacheId, narHash);
        return deleteUnusedNarObject(kysely, narHash);
      });
      if (isGone) await this.#files.remove(narHash);
    });
  }

  /**
   * Runs `remove`, which takes paths with these NARs out of caches, and forgets the NARs that nobody has any more: first in the database, then on the disk, while no upload
   * of one of them is stored. Resolves when it is committed; `finished` when it is durable and the files are gone.
   */
  async release<T>(
    narHashes: readonly string[],
    remove: (kysely: Queries) => Promise<T>,
  ): Promise<Released & { result: T }> {
    const { outcome, finished } = await this.#release(
      narHashes,
      () =>
        this.#database.relaxedTransaction(async ({ kysely }) => {
          const result = await remove(kysely);
          return { result, gone: await deleteUnusedNars(kysely, narHashes) };
        }),
      (gone) => this.#removeFiles(gone),
    );
    return { ...outcome, finished };
  }

  /** As `release`, for a thread that does it. */
  async releaseElsewhere(
    narHashes: readonly string[],
    { remove, unlink }: ReleasingThread,
  ): Promise<Released> {
    const { outcome, finished } = await this.#release(
      narHashes,
      () => this.#database.turn(async () => ({ gone: await remove() })),
      (gone) => this.#files.removeMany(gone, unlink),
    );
    return { ...outcome, finished };
  }

  #release<T extends { gone: readonly GoneNar[] }>(
    narHashes: readonly string[],
    remove: () => Promise<T>,
    removeFiles: (gone: readonly string[]) => Promise<void>,
  ): Promise<{ outcome: T; finished: Promise<void> }> {
    return new Promise((resolve, reject) => {
      const finished = this.#lock.hold(narHashes, async () => {
        const outcome = await remove();
        resolve({ outcome, finished });
        if (outcome.gone.length === 0) return;
        // After a power failure a row without its file would be worse than a file without its row.
        await this.#database.flushed();
        await removeFiles(outcome.gone.map(({ narHash }) => narHash));
      });
      finished.catch(reject);
    });
  }

  async #removeFiles(narHashes: readonly string[]): Promise<void> {
    for (const narHash of narHashes) await this.#files.remove(narHash);
  }

  /** A NAR whose file is not what it was when it was verified: nobody is sent it any more. */
  async withhold(narHash: string): Promise<void> {
    await this.#lock.hold([narHash], () => this.#files.remove(narHash));
  }

  /** Takes the paths, which have this NAR, out of their caches, and forgets it whoever has it. False, and nothing is done, when something refers to one of them. */
  async forget(
    narHash: string,
    paths: readonly { cacheId: string; hashPart: string }[],
  ): Promise<boolean> {
    return await this.#lock.hold([narHash], async () => {
      const isForgotten = await this.#database.transaction(async ({ kysely }) => {
        for (const { cacheId, hashPart } of paths) {
          if ((await findReferrers(kysely, cacheId, hashPart, 1)).length > 0) return false;
        }
        for (const { cacheId, hashPart } of paths) {
          await deleteCachedPath(kysely, cacheId, hashPart);
        }
        if (await isNarShown(kysely, narHash)) return false;
        await deleteNar(kysely, narHash);
        return true;
      });
      if (isForgotten) await this.#files.remove(narHash);
      return isForgotten;
    });
  }

  /** Those of the files that no object has: a crash came between the two, or they are about to get theirs. */
  findStrays(narHashes: readonly string[]): string[] {
    return narHashes.filter((narHash) => this.#find(narHash) === null);
  }

  /** Removes files that no object has. Resolves to how many they were. */
  async removeStrays(narHashes: readonly string[]): Promise<number> {
    let removed = 0;
    for (const narHash of this.findStrays(narHashes)) {
      await this.#lock.hold([narHash], async () => {
        if (this.#find(narHash) !== null) return;
        await this.#files.remove(narHash);
        removed += 1;
      });
    }
    return removed;
  }

  /** Discards what caches were given before that time and never showed. To be called more often than once in a week. */
  async removeHidden(before: number): Promise<void> {
    const since = { after: before - HIDDEN_LOOKED_AT_MS, before };
    for (const { cacheId, narHash } of await findHiddenNarFiles(this.#database.kysely, since)) {
      await this.discard(cacheId, narHash);
    }
  }
}
