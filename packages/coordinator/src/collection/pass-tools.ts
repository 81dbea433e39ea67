import type { Queries } from "../db/client.ts";
import type { GoneNar } from "../db/collection-repository.ts";
import type { CollectionView } from "../db/collection-view.ts";
import type { Progress } from "./progress.ts";

/** Whether somebody was told of late that the path (its base name) is here, and relies on it. */
export type IsPromised = (base: string) => boolean;

/** NARs that nobody may have any more, and the paths that show them. */
export interface Release {
  readonly narHashes: readonly string[];
  /** Base names. */
  readonly paths: readonly string[];
}

/** What a pass over caches works with, in whichever thread it is made. */
export interface PassTools {
  readonly kysely: Queries;
  readonly view: CollectionView;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly isPromised: (paths: readonly string[]) => Promise<IsPromised>;
  /**
   * Runs `remove`, which takes paths out of caches, in a transaction, and forgets the NARs that nobody has any more, while no upload of one of them is stored. Resolves when it
   * is committed. That it is durable and that the files go need not be waited for: whoever has the pass made does so.
   */
  readonly release: <T>(
    release: Release,
    remove: (kysely: Queries, isPromised: IsPromised) => Promise<T>,
  ) => Promise<{ result: T; gone: readonly GoneNar[] }>;
}
