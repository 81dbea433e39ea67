import type { Caller } from "../auth/caller.ts";
import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import { jobsetName } from "../db/cuirass-jobset-view.ts";
import { openDashboard } from "../cuirass/dashboards.ts";
import { NotFoundError } from "../errors.ts";
import type { PageServices } from "./page-services.ts";
import { shownEvaluation, type ViewOf } from "./shown.ts";
import { buildStatus, evaluationState } from "./words.ts";

/** More squares than a browser draws in good time. */
const MAX_JOBS = 50_000;

export interface DashboardQuery {
  readonly system?: string | undefined;
  readonly filter: string;
}

/** A square for each job of an evaluation, or for those that a dashboard chooses. Throws NotFoundError. */
export async function dashboardPage(
  services: PageServices,
  caller: Caller,
  of: { evaluation: string; dashboard: string | null },
  { system, filter }: DashboardQuery,
): Promise<ViewOf<"dashboard">> {
  const { cuirassBuilds, cuirassEvaluations, pageJobs } = services;
  const evaluation = await shownEvaluation(services, caller, of.evaluation);
  const names = await namesOf(services, caller, evaluation, of.dashboard);
  const squares = pageJobs.squares({
    evaluation: evaluation.number,
    ...(names === null ? {} : { names }),
    ...(system === undefined ? {} : { system }),
    limit: MAX_JOBS,
  });
  return {
    kind: "dashboard",
    evaluation: evaluation.number,
    jobset: jobsetName(evaluation),
    state: evaluationState(evaluation.state),
    dashboard: of.dashboard,
    names,
    systems: cuirassBuilds.systemsOf(evaluation.projectId),
    system: system ?? null,
    filter,
    jobs: squares.map(([job, build, status, duration]) => ({
      job,
      build,
      status: buildStatus(status),
      duration,
    })),
    previous: cuirassEvaluations.previousSucceeded(evaluation)?.number ?? null,
    next: cuirassEvaluations.nextSucceeded(evaluation)?.number ?? null,
    live: `/api/v1/evals/${evaluation.id}/live`,
  };
}

async function namesOf(
  services: PageServices,
  caller: Caller,
  { projectId }: CuirassEvaluation,
  id: string | null,
): Promise<readonly string[] | null> {
  if (id === null) return null;
  const found = await openDashboard(services, caller, id);
  if (found?.jobset.projectId === projectId) return found.dashboard.names;
  throw new NotFoundError(`dashboard ${id} does not exist`);
}
