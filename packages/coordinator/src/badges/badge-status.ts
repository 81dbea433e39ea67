import { countEntryPoints, findNewestEntryPoint } from "../db/entry-point-view.ts";
import type { Queries } from "../db/client.ts";
import {
  isBuildState,
  isSuccessfulBuild,
  isUnfinishedBuild,
  type BuildState,
} from "../scheduler/build-state.ts";
import { isEvaluationState, type EvaluationState } from "../scheduler/evaluation-state.ts";
import type { BadgeStatus } from "./draw-badge.ts";

const BY_EVALUATION: Readonly<Record<Exclude<EvaluationState, "Failed">, BadgeStatus>> = {
  Queued: "queued",
  Waiting: "queued",
  Fetching: "evaluating",
  EvaluatingFlake: "evaluating",
  EvaluatingDerivation: "evaluating",
  Building: "building",
  Completed: "passing",
  Aborted: "aborted",
};

/** How the newest evaluation of a project stands. One that failed is partial when an entry point of it was built. */
export async function badgeOfProject(
  db: Queries,
  project: { last_evaluation: string | null; last_evaluation_status: string | null },
): Promise<BadgeStatus> {
  const { last_evaluation: id, last_evaluation_status: state } = project;
  if (id === null || state === null || !isEvaluationState(state)) return "unknown";
  if (state !== "Failed") return BY_EVALUATION[state];
  const states = [...(await countEntryPoints(db, id)).keys()].filter(isBuildState);
  return states.some(isSuccessfulBuild) ? "partial" : "failing";
}

/** How an entry point's build stands in the newest ended evaluation that has it. */
export async function badgeOfEntryPoint(
  db: Queries,
  projectId: string,
  attributeJson: string,
): Promise<BadgeStatus> {
  const build = await findNewestEntryPoint(db, projectId, attributeJson, "ended");
  return build === undefined || !isBuildState(build.state) ? "unknown" : ofBuild(build.state);
}

function ofBuild(state: BuildState): BadgeStatus {
  if (isSuccessfulBuild(state)) return "passing";
  if (state === "Aborted") return "aborted";
  if (state === "Building") return "building";
  return isUnfinishedBuild(state) ? "queued" : "failing";
}
