import type { Route } from "../../api.ts";
import { callHookRoute } from "./call-hook.ts";
import { downloadProductRoute } from "./download-product.ts";
import { getBuildLogRoute } from "./get-build-log.ts";
import { getBuildRoute } from "./get-build.ts";
import { getEvaluationRoute } from "./get-evaluation.ts";
import { getEvaluationLogRoute } from "./get-evaluation-log.ts";
import { getEventsRoute } from "./get-events.ts";
import { getJobsetBadgeRoute } from "./get-jobset-badge.ts";
import { getPathLogRoute } from "./get-path-log.ts";
import { getOutputRoute } from "./get-output.ts";
import { listEvaluationsRoute } from "./list-evaluations.ts";
import { listJobsHistoryRoute } from "./list-jobs-history.ts";
import { listJobsRoute } from "./list-jobs.ts";
import { listJobsetsRoute } from "./list-jobsets.ts";
import { listLatestBuildsRoute } from "./list-latest-builds.ts";
import { listQueueRoute } from "./list-queue.ts";
import { refuseFormsRoute } from "./refuse-forms.ts";
import { registerDashboardRoute } from "./register-dashboard.ts";
import { showDashboardRoute } from "./show-dashboard.ts";
import { showLatestEvaluationRoute } from "./show-latest-evaluation.ts";
import { showLatestMatchRoute } from "./show-latest-match.ts";

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
  callHookRoute,
  registerDashboardRoute,
  showDashboardRoute,
  showLatestEvaluationRoute,
  showLatestMatchRoute,
  getBuildLogRoute,
  getPathLogRoute,
  getEvaluationLogRoute,
  downloadProductRoute,
  getJobsetBadgeRoute,
  getEventsRoute,
  refuseFormsRoute,
];
