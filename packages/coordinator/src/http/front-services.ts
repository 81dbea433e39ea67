import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { Database } from "../db/client.ts";
import { JobCounts } from "../cuirass/job-counts.ts";
import { CuirassBuildView } from "../db/cuirass-build-view.ts";
import { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import { CuirassJobsetView } from "../db/cuirass-jobset-view.ts";
import { NixbuildBuildView } from "../db/nixbuild-build-view.ts";
import { NixbuildSumsView } from "../db/nixbuild-sums-view.ts";
import { PageBuildsView } from "../db/page-builds-view.ts";
import { PageJobsView } from "../db/page-jobs-view.ts";
import type { LastUse } from "../db/last-use.ts";
import type { Logger } from "../logger.ts";
import type { NarStore } from "../ports.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import { openUpstreams } from "../upstreams/open-upstreams.ts";
import type { Services } from "./api.ts";
import { RateLimits } from "./rate-limits/rate-limits.ts";
import { RequestIds } from "./request-ids.ts";
import { CacheInfoLane } from "./routes/cache/cache-info-lane.ts";
import { KnownCaches } from "./routes/cache/known-caches.ts";
import { KnownVersion } from "./routes/cache/known-version.ts";
import { NarLane } from "./routes/cache/nar-lane.ts";
import { NarinfoLane } from "./routes/cache/narinfo-lane.ts";

export type FrontServices = Pick<
  Services,
  | "surface"
  | "requestIds"
  | "rateLimits"
  | "narinfoLane"
  | "lanes"
  | "upstreams"
  | "httpUpstreams"
  | "nixbuildBuilds"
  | "nixbuildSums"
  | "cuirassBuilds"
  | "cuirassEvaluations"
  | "cuirassJobsets"
  | "jobCounts"
  | "pageBuilds"
  | "pageJobs"
>;

/** What a request meets before the router, and reads that are prepared once. */
export function openFrontServices(parts: {
  config: Config;
  database: Database;
  clock: Clock;
  lastUse: LastUse;
  outbound: OutboundClient;
  logger: Logger;
  nars: NarStore;
}): FrontServices {
  const { config, database, clock, lastUse, nars } = parts;
  const surface = new CacheSurfaceView(database);
  const requestIds = new RequestIds();
  const rateLimits = new RateLimits(config, () => clock.now());
  const asked = openUpstreams({ ...parts, surface });
  const { upstreams } = asked;
  const caches = new KnownCaches(surface, clock);
  const version = new KnownVersion(surface, clock);
  const shared = { caches, surface, version, clock, lastUse, rateLimits };
  const narinfoLane = new NarinfoLane({ ...shared, upstreams });
  const nixbuildBuilds = new NixbuildBuildView(database, {
    accounting: config.cpuAccounting,
    clock,
  });
  const cuirassEvaluations = new CuirassEvaluationView(database);
  return {
    surface,
    requestIds,
    rateLimits,
    ...asked,
    narinfoLane,
    lanes: [narinfoLane, new NarLane({ ...shared, nars, config }), new CacheInfoLane(shared)],
    nixbuildBuilds,
    nixbuildSums: new NixbuildSumsView(nixbuildBuilds),
    cuirassBuilds: new CuirassBuildView(database),
    cuirassEvaluations,
    jobCounts: new JobCounts(cuirassEvaluations, clock),
    cuirassJobsets: new CuirassJobsetView(database),
    pageBuilds: new PageBuildsView(database),
    pageJobs: new PageJobsView(database),
  };
}
