import type { Route } from "../../api.ts";
import { followLogRoute } from "./follow-log.ts";
import { getStaticRoute } from "./get-static.ts";
import { showBuildPageRoute } from "./show-build-page.ts";
import { showDashboardPageRoute } from "./show-dashboard-page.ts";
import { showEvaluationRoute } from "./show-evaluation.ts";
import { showHomeRoute } from "./show-home.ts";
import { showJobsetRoute } from "./show-jobset.ts";
import { showLogPageRoute } from "./show-log-page.ts";
import { showMachineRoute } from "./show-machine.ts";
import { showMetricsRoute } from "./show-metrics.ts";
import { searchHintsRoute, showSearchRoute } from "./show-search.ts";
import { showStatusRoute } from "./show-status.ts";
import { showWorkersRoute } from "./show-workers.ts";

/** Pages for browsers, and what they load. */
export const pageRoutes: readonly Route[] = [
  followLogRoute,
  getStaticRoute,
  showBuildPageRoute,
  showDashboardPageRoute,
  showEvaluationRoute,
  showHomeRoute,
  showJobsetRoute,
  showLogPageRoute,
  showMachineRoute,
  showMetricsRoute,
  searchHintsRoute,
  showSearchRoute,
  showStatusRoute,
  showWorkersRoute,
];
