import { setImmediate as nextTurn } from "node:timers/promises";
import {
  deleteUnneededPaths,
  type GonePath,
  type RemovalGuard,
} from "../db/collection-repository.ts";
import type { CollectionView, TimedPath } from "../db/collection-view.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";
import type { NarIntake } from "../intake/nar-intake.ts";

/** A transaction takes about this long: then everybody else gets a turn. */
const TURN_MS = 1.5;
const MIN_BATCH = 4;
const MAX_BATCH = 128;
/** Transactions whose files are still to be removed. */
const MAX_UNFINISHED = 16;

/** What is told of a removal as it goes on. */
export interface Removed {
  /** Base names. */
  readonly paths: readonly string[];
  /** What they counted in the cache. */
  readonly pathBytes: number;
  readonly files: number;
  readonly fileBytes: number;
}

/** Whether something that a path referred to which went may go as well, as far as its time has come. */
export type MayGo = (reference: TimedPath) => boolean;

export interface RemovalOptions {
  readonly view: CollectionView;
  readonly intake: Pick<NarIntake, "release">;
  readonly cache: string;
  readonly guard: RemovalGuard;
  /** Whether somebody was told of late that the path is here, and relies on it. */
  readonly isPromised: (base: string) => boolean;
  readonly onRemoved: (removed: Removed) => void;
  readonly signal: AbortSignal;
}

/**
 * Takes paths out of a cache, what refers before what is referred to, in short transactions: whoever reads the cache meanwhile never sees a path without what it needs.
 * A path that something refers to when its turn comes stays, and is tried again when what refers to it goes.
 */
export class Removal implements AsyncDisposable {
  readonly #options: RemovalOptions;
  readonly #unfinished = new Set<Promise<void>>();
  #batch = 16;
  #waiting: number[] = [];
  /** The same rows: one that several paths refer to waits once. */
  readonly #isWaiting = new Set<number>();
  #failure: { readonly error: unknown } | null = null;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Removes the paths, sooner or later. */
  async add(rows: readonly number[], mayGo: MayGo): Promise<void> {
    this.#waiting.push(...this.#notWaiting(rows));
    while (this.#waiting.length >= this.#batch) await this.#step(mayGo);
  }

  /** Removes what waits. When it resolves, all is durable and the files are gone. */
  async finish(mayGo: MayGo): Promise<void> {
    while (this.#waiting.length > 0) await this.#step(mayGo);
    await Promise.all(this.#unfinished);
    this.#throwFailure();
  }

  /** To be left in any case: files of what was taken out of the database are on their way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#unfinished);
  }

  async #step(mayGo: MayGo): Promise<void> {
    const { view, intake, cache, guard, onRemoved, signal } = this.#options;
    await nextTurn();
    signal.throwIfAborted();
    const taken = this.#waiting.splice(0, this.#batch);
    for (const row of taken) this.#isWaiting.delete(row);
    const unpromised = view.describe(taken).filter(({ path }) => !this.#options.isPromised(path));
    const rows = unpromised.map(({ row }) => row);
    const narHashes = unpromised.map(({ narHash }) => narHash);
    let start = 0;
    const { result, gone, finished } = await intake.release(narHashes, (db) => {
      // Others' writes, which are waited for, do not count; the commit does.
      start = performance.now();
      return deleteUnneededPaths(db, rows, guard);
    });
    this.#adapt(performance.now() - start);
    const next = view.positionsOf(cache, referencesOf(result)).filter((each) => mayGo(each));
    this.#waiting.unshift(...this.#notWaiting(next.map(({ row }) => row)));
    onRemoved({
      paths: result.map(({ path }) => path),
      pathBytes: result.reduce((sum, { fileSize }) => sum + fileSize, 0),
      files: gone.length,
      fileBytes: gone.reduce((sum, { fileSize }) => sum + fileSize, 0),
    });
    await this.#track(finished);
  }

  /** Those of the rows that do not wait yet, as from now on they do. */
  #notWaiting(rows: readonly number[]): number[] {
    const fresh = new Set(rows.filter((row) => !this.#isWaiting.has(row)));
    for (const row of fresh) this.#isWaiting.add(row);
    return [...fresh];
  }

  #adapt(tookMs: number): void {
    if (tookMs > TURN_MS) this.#batch = Math.max(MIN_BATCH, this.#batch >> 1);
    else if (tookMs < TURN_MS / 3) this.#batch = Math.min(MAX_BATCH, this.#batch << 1);
  }

  async #track(finished: Promise<void>): Promise<void> {
    const tracked = finished
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#unfinished.delete(tracked));
    this.#unfinished.add(tracked);
    if (this.#unfinished.size >= MAX_UNFINISHED) await Promise.race(this.#unfinished);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}

function referencesOf(paths: readonly GonePath[]): string[] {
  return [
    ...new Set(
      paths.flatMap(({ path, referencesJson }) =>
        readJsonColumn(stringListSchema, referencesJson).filter((base) => base !== path),
      ),
    ),
  ];
}
