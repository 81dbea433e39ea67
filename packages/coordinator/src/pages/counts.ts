import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import type { PageServices } from "./page-services.ts";
import type { ViewOf } from "./shown.ts";

/** Jobs of an evaluation by what has become of them. */
export function countsOf(
  { jobCounts, pageJobs }: PageServices,
  evaluation: Pick<CuirassEvaluation, "number" | "projectId" | "finishedAt">,
): { counts: ViewOf<"evaluation">["counts"]; fixed: number } {
  const { number, projectId } = evaluation;
  const statuses = jobCounts.of(evaluation);
  const sum = (...of: number[]): number =>
    of.reduce((total, status) => total + (statuses.get(status) ?? 0), 0);
  const { broken, fixed } = pageJobs.changes({ projectId, evaluation: number });
  const counts = {
    succeeded: sum(0),
    failed: sum(1, 2, 3),
    newlyFailed: broken,
    running: sum(-1),
    scheduled: sum(-2, -3),
    canceled: sum(4),
  };
  return { counts, fixed };
}
