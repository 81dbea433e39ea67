import type { CollectionView } from "../db/collection-view.ts";
import type { RootEvaluation } from "../db/roots-view.ts";
import type { Turns } from "../intake/turns.ts";
import { RowSet } from "./row-set.ts";

/** How long caches keep what nothing else keeps. */
export interface KeepTimes {
  readonly now: number;
  /** A path that was fetched, or came, after this time stays. */
  readonly usedSince: number;
  /** A path that came after this time stays, whatever else: whoever uploads it may not be done. */
  readonly youngSince: number;
}

/**
 * How much is kept. `all` is what a cache keeps as long as there is room: what is pinned, what the kept evaluations of the organizations that fill it need, and what was used of late.
 * `least` is what stays when there is none: what is pinned, what evaluations that go on and the newest of each project need, and what is young.
 */
export type Keeping = "all" | "least";

/** So many rows go into one query: well below a millisecond each. */
const STEP = 50;

/** Finds what a cache keeps, with all that it refers to. Other work gets its turn every two milliseconds. */
export class Marking {
  readonly #view: CollectionView;
  readonly #cache: string;
  readonly #times: KeepTimes;
  readonly #turns: Turns;
  readonly #signal: AbortSignal;
  readonly #kept = new RowSet();
  readonly #derivations = new RowSet();
  #open: number[] = [];

  constructor(options: {
    view: CollectionView;
    cache: string;
    times: KeepTimes;
    turns: Turns;
    signal: AbortSignal;
  }) {
    this.#view = options.view;
    this.#cache = options.cache;
    this.#times = options.times;
    this.#turns = options.turns;
    this.#signal = options.signal;
  }

  /** Rows of what is kept. */
  async run(keeping: Keeping): Promise<RowSet> {
    const { now, usedSince, youngSince } = this.#times;
    this.#addPaths(this.#view.roots.pinnedPaths(this.#cache, now));
    for (const evaluation of this.#view.roots.pinnedEvaluations(this.#cache, now)) {
      await this.#addEvaluation(evaluation);
    }
    for (const organization of this.#view.roots.subscribers(this.#cache)) {
      for (const evaluation of this.#view.roots.activeEvaluations(organization)) {
        await this.#addEvaluation(evaluation);
      }
    }
    for (const organization of this.#view.roots.fillers(this.#cache)) {
      await this.#addKept(organization, keeping);
    }
    if (keeping === "all") await this.#addFetched(usedSince);
    await this.#addYoung(keeping === "all" ? Math.min(usedSince, youngSince) : youngSince);
    await this.#close();
    return this.#kept;
  }

  async #addKept(organization: string, keeping: Keeping): Promise<void> {
    for (const { id, kept } of this.#view.roots.projects(organization)) {
      const count = keeping === "all" ? kept : 1;
      for (const evaluation of this.#view.roots.newestEvaluations(id, count)) {
        await this.#addEvaluation(evaluation);
      }
    }
    if (keeping === "least") return;
    const { usedSince } = this.#times;
    for (const each of this.#view.roots.evaluationsWithoutProject(organization, usedSince)) {
      await this.#addEvaluation(each);
    }
  }

  /** Its tree, its jobs' derivations and its builds', with their outputs. */
  async #addEvaluation({ id, sourcePath }: RootEvaluation): Promise<void> {
    if (sourcePath !== null) this.#addPaths([sourcePath]);
    for (let after = ""; ;) {
      const jobs = this.#view.roots.jobsAfter(id, after, STEP);
      this.#addDerivations(jobs.flatMap(({ derivation }) => derivation ?? []));
      await this.#giveWay();
      const last = jobs.at(-1);
      if (last === undefined || jobs.length < STEP) break;
      after = last.attribute;
    }
    for (let after = 0; ;) {
      const builds = this.#view.roots.buildsAfter(id, after, STEP);
      this.#addDerivations(builds.map(({ derivation }) => derivation));
      await this.#giveWay();
      const last = builds.at(-1);
      if (last === undefined || builds.length < STEP) break;
      after = last.build;
    }
  }

  #addDerivations(derivations: readonly number[]): void {
    const fresh = derivations.filter((derivation) => this.#derivations.add(derivation));
    if (fresh.length > 0) this.#add(this.#view.rowsOfDerivations(this.#cache, fresh));
  }

  #addPaths(bases: readonly string[]): void {
    for (let at = 0; at < bases.length; at += STEP) {
      const shown = this.#view.positionsOf(this.#cache, bases.slice(at, at + STEP));
      this.#add(shown.map(({ row }) => row));
    }
  }

  async #addFetched(since: number): Promise<void> {
    for (let after = { at: since, row: -1 }; ;) {
      const paths = this.#view.fetchedAfter(this.#cache, after, STEP);
      this.#add(paths.map(({ row }) => row));
      await this.#giveWay();
      const last = paths.at(-1);
      if (last === undefined || paths.length < STEP) return;
      after = last;
    }
  }

  async #addYoung(since: number): Promise<void> {
    for (let before = { at: Number.MAX_SAFE_INTEGER, row: 0 }; ;) {
      const paths = this.#view.createdBefore(this.#cache, before, STEP);
      const young = paths.filter(({ at }) => at >= since);
      this.#add(young.map(({ row }) => row));
      await this.#giveWay();
      const last = paths.at(-1);
      if (last === undefined || young.length < STEP) return;
      before = last;
    }
  }

  #add(rows: readonly number[]): void {
    for (const row of rows) if (this.#kept.add(row)) this.#open.push(row);
  }

  async #close(): Promise<void> {
    for (let rows = this.#take(); rows.length > 0; rows = this.#take()) {
      this.#add(this.#view.references(rows));
      await this.#giveWay();
    }
  }

  #take(): number[] {
    return this.#open.splice(-STEP);
  }

  async #giveWay(): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#turns.giveWay();
  }
}
