import type { Authority } from "../auth/authority.ts";
import type { Clock } from "../clock.ts";
import type { JobCounts } from "../cuirass/job-counts.ts";
import type { Database } from "../db/client.ts";
import type { CuirassBuildView } from "../db/cuirass-build-view.ts";
import type { CuirassEvaluationView } from "../db/cuirass-evaluation-view.ts";
import type { CuirassJobsetView } from "../db/cuirass-jobset-view.ts";
import type { PageBuildsView } from "../db/page-builds-view.ts";
import type { PageJobsView } from "../db/page-jobs-view.ts";
import type { Logs, QueueReads, WorkerLink } from "../ports.ts";

/** What pages are made from. */
export interface PageServices {
  readonly authority: Authority;
  readonly clock: Clock;
  readonly database: Database;
  readonly cuirassBuilds: CuirassBuildView;
  readonly cuirassEvaluations: CuirassEvaluationView;
  readonly cuirassJobsets: CuirassJobsetView;
  readonly jobCounts: JobCounts;
  readonly pageBuilds: PageBuildsView;
  readonly pageJobs: PageJobsView;
  readonly logs: Logs;
  readonly workers: WorkerLink;
  readonly queue: QueueReads;
}
