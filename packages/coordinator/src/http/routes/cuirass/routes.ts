import type { Route } from "../../api.ts";
import { getBuildRoute } from "./get-build.ts";
import { getEvaluationRoute } from "./get-evaluation.ts";
import { getOutputRoute } from "./get-output.ts";
import { listEvaluationsRoute } from "./list-evaluations.ts";
import { listJobsHistoryRoute } from "./list-jobs-history.ts";
import { listJobsRoute } from "./list-jobs.ts";
import { listJobsetsRoute } from "./list-jobsets.ts";
import { listLatestBuildsRoute } from "./list-latest-builds.ts";
import { listQueueRoute } from "./list-queue.ts";

/** Cuirass's API, where a project is a jobset, and a derivation is a build as a project first registered it. */
export const cuirassRoutes: readonly Route[] = [
  getBuildRoute,
  getOutputRoute,
  getEvaluationRoute,
  listEvaluationsRoute,
  listJobsRoute,
  listJobsHistoryRoute,
  listLatestBuildsRoute,
  listQueueRoute,
  listJobsetsRoute,
];
