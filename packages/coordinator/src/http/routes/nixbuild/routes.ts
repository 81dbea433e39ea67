import type { Route } from "../../api.ts";
import { getBuildRoute } from "./get-build.ts";
import { getBuildUrlRoute } from "./get-build-url.ts";
import { getSummaryRoute } from "./get-summary.ts";
import { getUsageRoute } from "./get-usage.ts";
import { listBuildsRoute } from "./list-builds.ts";
import { showBuildRoute } from "./show-build.ts";
import { showLogRoute } from "./show-log.ts";

/** nixbuild.net's API, where a build is what we call an attempt, and the two pages that its signed links lead to. */
export const nixbuildRoutes: readonly Route[] = [
  listBuildsRoute,
  getSummaryRoute,
  getBuildRoute,
  getBuildUrlRoute,
  getUsageRoute,
  showBuildRoute,
  showLogRoute,
];
