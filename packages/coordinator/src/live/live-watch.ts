import type { Queries } from "../db/client.ts";
import {
  countDelivered,
  listChangedBuilds,
  listWatched,
  type ChangedBuild,
  type WatchedEvaluation,
} from "../db/live-view.ts";
import { buildNumber, evaluationNumber } from "../scheduler/api-words.ts";
import type { LiveFrame, LiveScope } from "./frames.ts";

/** What is written at a time may be seen only some seconds later: its transaction was open. */
const LOOK_BACK_MS = 5000;
/** When so many builds changed between two looks, their evaluations are told as a whole: whoever watches reads the list again anyway. */
const MAX_BUILD_FRAMES = 500;
/** In these states builds and attributes are added to an evaluation. */
const GROWING: ReadonlySet<string> = new Set(["EvaluatingFlake", "EvaluatingDerivation"]);

interface KnownEvaluation {
  readonly state: string;
  readonly delivered: number | null;
}

/**
 * Finds out what changed in a scope since the last look, from the facts themselves: whoever changed them, and in whichever process. Two changes
 * of one thing between two looks are one.
 */
export class LiveWatch {
  readonly #db: Queries;
  readonly #scope: LiveScope;
  #evaluations: Map<string, KnownEvaluation> | null = null;
  /** States of builds that changed lately. */
  #builds = new Map<string, ChangedBuild>();
  #since: number;

  /** `now`: milliseconds since the epoch. What changed before the first look is not told. */
  constructor(db: Queries, scope: LiveScope, now: number) {
    this.#db = db;
    this.#scope = scope;
    this.#since = now - LOOK_BACK_MS;
  }

  /** `now` in milliseconds since the epoch. The first look tells nothing: it learns how things are. */
  async look(now: number): Promise<LiveFrame[]> {
    const isFirst = this.#evaluations === null;
    const watched = await listWatched(this.#db, this.#scope);
    const frames = await this.#lookAtEvaluations(watched);
    frames.push(...(await this.#lookAtBuilds(watched)));
    this.#since = Math.max(this.#since, now - LOOK_BACK_MS);
    return isFirst ? [] : frames;
  }

  async #lookAtEvaluations(watched: readonly WatchedEvaluation[]): Promise<LiveFrame[]> {
    const frames: LiveFrame[] = [];
    const known = new Map<string, KnownEvaluation>();
    for (const { id, project_id: project, state } of watched) {
      const before = this.#evaluations?.get(id);
      const isGrowing = GROWING.has(state);
      // Once more after it has grown: the last of it may have come together with the next state.
      const isCounted = isGrowing || GROWING.has(before?.state ?? "");
      const delivered = isCounted ? await countDelivered(this.#db, id) : null;
      known.set(id, { state, delivered });
      const facts = { project, evaluation_id: id };
      if (before?.state !== state) {
        const status = evaluationNumber(state);
        frames.push({ type: "evaluation_status_changed", ...facts, status });
      }
      if (delivered !== null && delivered !== (before?.delivered ?? 0)) {
        frames.push({ type: "evaluation_progress", ...facts });
      }
    }
    this.#evaluations = known;
    return frames;
  }

  async #lookAtBuilds(watched: readonly WatchedEvaluation[]): Promise<LiveFrame[]> {
    const organization = watched[0]?.organization_id;
    if (organization === undefined) return [];
    const ids = watched.map(({ id }) => id);
    const changed = await listChangedBuilds(this.#db, organization, ids, this.#since);
    const moved = changed.filter(({ id, state }) => this.#builds.get(id)?.state !== state);
    this.#builds = new Map(changed.map((build) => [build.id, build]));
    if (moved.length > MAX_BUILD_FRAMES) return progressOf(watched, moved);
    return moved.map(({ id, evaluation_id, state }): LiveFrame => ({
      type: "build_status_changed",
      evaluation_id,
      build_id: id,
      status: buildNumber(state),
    }));
  }
}

function progressOf(
  watched: readonly WatchedEvaluation[],
  moved: readonly ChangedBuild[],
): LiveFrame[] {
  const ids = new Set(moved.map((build) => build.evaluation_id));
  return watched
    .filter(({ id }) => ids.has(id))
    .map(({ id, project_id: project }) => ({
      type: "evaluation_progress",
      project,
      evaluation_id: id,
    }));
}
