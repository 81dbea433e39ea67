import {
  findFailedBuildsOf,
  moveBuilds,
  raisePriority,
  recountDependencies,
} from "../db/build-repository.ts";
import { countUnfinishedBuilds } from "../db/evaluation-build-repository.ts";
import { moveEvaluation, setEvaluationFacts } from "../db/evaluation-repository.ts";
import { findActiveOfProject, findNewestOfProject } from "../db/project-evaluations.ts";
import { insertReport } from "../db/forge-report-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { countReopened, queueReadyBuilds } from "../builds/readiness.ts";
import type { Change } from "../queue/change.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";
import { REOPENED } from "./apply-plan.ts";
import { priorityIn } from "./start-evaluation.ts";

/**
 * Asks again for everything that failed in the project's last evaluation, which goes on with it: nothing is fetched or evaluated. Resolves to
 * its id. Throws ConflictError while an evaluation is active, and BadRequestError when there is nothing to ask for.
 */
export async function restartFailed(change: Change, projectId: string): Promise<string> {
  const { kysely, now } = change;
  const last = await findNewestOfProject(kysely, projectId);
  if (last === null) throw new BadRequestError("the project has no evaluation to restart");
  const active = await findActiveOfProject(kysely, projectId, last.pullRequest);
  if (isActiveEvaluation(last.state) || active.length > 0) {
    throw new ConflictError("the project has an active evaluation already: wait for its end");
  }
  const failed = last.isEvaluated ? await findFailedBuildsOf(kysely, last.id) : [];
  const details = { finished_at: null, waiting_reason_json: null };
  const isRestarted =
    failed.length > 0 && (await moveEvaluation(kysely, last.id, "restarted", now, details));
  if (!isRestarted) {
    throw new BadRequestError(`evaluation ${last.id} has no failed builds to restart`);
  }
  const thawed = await moveBuilds(kysely, failed, "thawed", now, REOPENED);
  await countReopened(change, thawed);
  // What was counted while it was active before does not hold any more, as others went on with its builds.
  const unfinished_builds = await countUnfinishedBuilds(kysely, last.id);
  await setEvaluationFacts(kysely, last.id, now, { unfinished_builds });
  await raisePriority(kysely, thawed, priorityIn("interactive"));
  await queueReadyBuilds(change, await recountDependencies(kysely, thawed));
  await insertReport(kysely, last, now);
  return last.id;
}
