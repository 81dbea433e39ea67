import { isBuildState, type BuildState } from "../scheduler/build-state.ts";
import { isEvaluationState, type EvaluationState } from "../scheduler/evaluation-state.ts";
import type { LiveScope } from "../live/frames.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** Older evaluations of a project are not watched. */
const WATCHED_EVALUATIONS = 30;

export interface WatchedEvaluation {
  id: string;
  organization_id: string;
  project_id: string | null;
  state: EvaluationState;
  updated_at: number;
}

/** The evaluations of a scope, the newest first. */
export async function listWatched(db: Queries, scope: LiveScope): Promise<WatchedEvaluation[]> {
  const rows = await watchedQuery(db, scope).execute();
  return rows.map(({ state, ...row }) => {
    if (!isEvaluationState(state)) {
      throw new Error(`the database has an evaluation in the unknown state '${state}'`);
    }
    return { ...row, state };
  });
}

function watchedQuery(db: Queries, scope: LiveScope) {
  const query = db
    .selectFrom("evaluations")
    .select(["id", "organization_id", "project_id", "state", "updated_at"]);
  if (scope.kind === "evaluation") return query.where("id", "=", scope.id);
  return query
    .where("project_id", "=", scope.id)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(WATCHED_EVALUATIONS);
}

export interface ChangedBuild {
  /** Of the evaluation build. */
  id: string;
  evaluation_id: string;
  state: BuildState;
  updated_at: number;
}

/** Builds of the evaluations, all of them of one organization, that changed at or after that time. */
export async function listChangedBuilds(
  db: Queries,
  organizationId: string,
  evaluations: readonly string[],
  since: number,
): Promise<ChangedBuild[]> {
  const changed: ChangedBuild[] = [];
  for (const batch of batchesOf(evaluations)) {
    const rows = await db
      .selectFrom("builds")
      // Few builds changed lately, and an evaluation may have many thousands: start at the former.
      .crossJoin("evaluation_builds as link")
      .select(["link.id", "link.evaluation_id", "builds.state", "builds.updated_at"])
      .whereRef("link.build_id", "=", "builds.id")
      .where("link.evaluation_id", "in", batch)
      .where("builds.organization_id", "=", organizationId)
      .where("builds.updated_at", ">=", since)
      .orderBy("builds.updated_at")
      .execute();
    for (const { state, ...row } of rows) {
      if (!isBuildState(state)) throw new Error(`build ${row.id} is in the unknown state ${state}`);
      changed.push({ ...row, state });
    }
  }
  return changed;
}

/** Builds and attributes that an evaluation has so far. */
export async function countDelivered(db: Queries, evaluationId: string): Promise<number> {
  const { builds } = await db
    .selectFrom("evaluation_builds")
    .select((select) => select.fn.countAll<number>().as("builds"))
    .where("evaluation_id", "=", evaluationId)
    .executeTakeFirstOrThrow();
  const { jobs } = await db
    .selectFrom("jobs")
    .select((select) => select.fn.countAll<number>().as("jobs"))
    .where("evaluation_id", "=", evaluationId)
    .executeTakeFirstOrThrow();
  return Number(builds) + Number(jobs);
}
