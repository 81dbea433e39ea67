import { sql } from "kysely";
import type { BuildState } from "../scheduler/build-state.ts";
import { ENDED_EVALUATION_STATES } from "../scheduler/evaluation-state.ts";
import type { Queries } from "./client.ts";

/** Older evaluations of a project are not searched for an entry point. */
const SEARCHED_EVALUATIONS = 100;

/** An entry point's build as one evaluation has it. */
export interface EntryPointBuild {
  /** Of the evaluation build. */
  id: string;
  derivation_id: number;
  state: string;
}

/** The entry point in the newest ended evaluation of the project that has it; or, with `buildStates`, in the newest one, ended or not, whose build is in one of them. */
export function findNewestEntryPoint(
  db: Queries,
  projectId: string,
  attributeJson: string,
  condition: { buildStates: readonly BuildState[] } | "ended",
): Promise<EntryPointBuild | undefined> {
  const newest = db
    .selectFrom("evaluations")
    .select(["id", "state", "created_at"])
    .where("project_id", "=", projectId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(SEARCHED_EVALUATIONS)
    .as("evaluation");
  const found = db
    .selectFrom(newest)
    .innerJoin("jobs", (join) =>
      join
        .onRef("jobs.evaluation_id", "=", "evaluation.id")
        .on("jobs.attribute_json", "=", attributeJson),
    )
    .innerJoin("builds", "builds.derivation_id", "jobs.derivation_id")
    .innerJoin("evaluation_builds as link", (join) =>
      join
        .onRef("link.build_id", "=", "builds.id")
        .onRef("link.evaluation_id", "=", "evaluation.id"),
    )
    .select(["link.id", "builds.derivation_id", "builds.state"])
    .orderBy("evaluation.created_at", "desc")
    .orderBy("evaluation.id", "desc")
    .limit(1);
  return condition === "ended"
    ? found.where("evaluation.state", "in", ENDED_EVALUATION_STATES).executeTakeFirst()
    : found.where("builds.state", "in", condition.buildStates).executeTakeFirst();
}

/** Entry points of an evaluation by the state of their builds. */
export async function countEntryPoints(
  db: Queries,
  evaluationId: string,
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom("jobs")
    .innerJoin("builds", "builds.derivation_id", "jobs.derivation_id")
    .select(["builds.state", sql<number>`count(*)`.as("count")])
    .where("jobs.evaluation_id", "=", evaluationId)
    .groupBy("builds.state")
    .execute();
  return new Map(rows.map(({ state, count }) => [state, Number(count)]));
}
