import { setTimeout as sleep } from "node:timers/promises";
import {
  deleteUnneededPaths,
  type GonePath,
  type RemovalGuard,
} from "../db/collection-repository.ts";
import type { TimedPath } from "../db/collection-view.ts";
import { readJsonColumn, stringListSchema } from "../db/json-column.ts";
import type { PassTools } from "./pass-tools.ts";
import { name } from "./progress.ts";

/** A transaction takes about this long: whoever else writes waits for it. Who reads does not. */
const TURN_MS = 10;
/** Of that time, before the next one: the cores belong to those who read. */
const PAUSE_SHARE = 0.5;
const MIN_BATCH = 4;
const MAX_BATCH = 256;

/** Whether something that a path referred to which went may go as well, as far as its time has come. */
export type MayGo = (reference: TimedPath) => boolean;

/**
 * Takes paths out of a cache, what refers before what is referred to, in short transactions: whoever reads the cache meanwhile never sees a path without what it needs.
 * A path that something refers to when its turn comes stays, and is tried again when what refers to it goes.
 */
export class Removal {
  readonly #tools: PassTools;
  readonly #cache: string;
  readonly #guard: RemovalGuard;
  #batch = 16;
  #waiting: number[] = [];
  /** The same rows: one that several paths refer to waits once. */
  readonly #isWaiting = new Set<number>();

  constructor(tools: PassTools, cache: string, guard: RemovalGuard) {
    this.#tools = tools;
    this.#cache = cache;
    this.#guard = guard;
  }

  /** Removes the paths, sooner or later. */
  async add(rows: readonly number[], mayGo: MayGo): Promise<void> {
    this.#waiting.push(...this.#notWaiting(rows));
    while (this.#waiting.length >= this.#batch) await this.#step(mayGo);
  }

  /** Removes what waits. */
  async finish(mayGo: MayGo): Promise<void> {
    while (this.#waiting.length > 0) await this.#step(mayGo);
  }

  async #step(mayGo: MayGo): Promise<void> {
    const { view, progress, signal } = this.#tools;
    signal.throwIfAborted();
    const taken = this.#waiting.splice(0, this.#batch);
    for (const row of taken) this.#isWaiting.delete(row);
    const gone = await this.#remove(taken);
    const next = view.positionsOf(this.#cache, referencesOf(gone)).filter((each) => mayGo(each));
    this.#waiting.unshift(...this.#notWaiting(next.map(({ row }) => row)));
    progress.paths += gone.length;
    progress.pathBytes += bytesOf(gone);
    name(
      progress,
      gone.map(({ path }) => path),
    );
  }

  /** Resolves to those that went. */
  async #remove(taken: readonly number[]): Promise<readonly GonePath[]> {
    const { view, progress, release } = this.#tools;
    const described = view.describe(taken);
    const narHashes = described.map(({ narHash }) => narHash);
    const paths = described.map(({ path }) => path);
    let start = 0;
    const { result, gone } = await release({ narHashes, paths }, (db, isPromised) => {
      // Others' writes, which are waited for, do not count; the commit does.
      start = performance.now();
      const unpromised = described.filter(({ path }) => !isPromised(path));
      return deleteUnneededPaths(
        db,
        unpromised.map(({ row }) => row),
        this.#guard,
      );
    });
    const tookMs = performance.now() - start;
    this.#adapt(tookMs);
    await sleep(PAUSE_SHARE * tookMs);
    progress.files += gone.length;
    progress.fileBytes += bytesOf(gone);
    return result;
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
}

function bytesOf(files: readonly { readonly fileSize: number }[]): number {
  return files.reduce((sum, { fileSize }) => sum + fileSize, 0);
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
