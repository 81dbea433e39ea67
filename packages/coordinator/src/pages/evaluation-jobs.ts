import type { CuirassEvaluation } from "../db/cuirass-evaluation-view.ts";
import type { PageJob, PageJobsFilter, StopPlace } from "../db/page-jobs-view.ts";
import type { PageServices } from "./page-services.ts";
import type { ViewOf } from "./shown.ts";

type View = ViewOf<"evaluation">;
interface JobsPage {
  readonly jobs: PageJob[];
  readonly pages: View["pages"];
}

const PAGE = 50;
/** Of a page by Cuirass's borders. */
const BORDERED_PAGE = 10;
/** Without pages; more than anybody reads. */
const ALL = 20_000;
const ONE_PAGE = { newer: null, older: null };

/** Which jobs are shown: a tab, and of it those behind a name or before one, or between Cuirass's borders. */
export interface EvaluationQuery {
  readonly status: View["tab"];
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly high?: StopPlace | undefined;
  readonly low?: StopPlace | undefined;
  readonly isPaged: boolean;
}

const STATUSES: Readonly<Record<Exclude<View["tab"], "all" | "newly-failed">, number[]>> = {
  succeeded: [0],
  failed: [1, 2, 3],
  pending: [-1, -2, -3],
};

/** A page of an evaluation's jobs by names, or by when they stopped where Cuirass's borders are given. */
export function evaluationJobs(
  services: PageServices,
  evaluation: CuirassEvaluation,
  query: EvaluationQuery,
): JobsPage {
  const { isPaged, high, low } = query;
  return isPaged && (high !== undefined || low !== undefined)
    ? jobsBetween(services, evaluation, query)
    : jobsByName(services, evaluation, query);
}

function jobsByName(
  { pageJobs }: PageServices,
  { number, projectId }: CuirassEvaluation,
  { status, after, before, isPaged }: EvaluationQuery,
): JobsPage {
  if (status === "newly-failed") {
    const jobs = pageJobs.newlyFailed({ projectId, evaluation: number, limit: ALL });
    return { jobs, pages: ONE_PAGE };
  }
  const filter: Omit<PageJobsFilter, "limit"> = { evaluation: number, ...statusesOf(status) };
  if (!isPaged) return { jobs: pageJobs.jobs({ ...filter, limit: ALL }), pages: ONE_PAGE };
  const isBackward = before !== undefined;
  const place = isBackward ? { before } : after === undefined ? {} : { after };
  const found = pageJobs.jobs({ ...filter, ...place, limit: PAGE + 1 });
  const page = cut(found, PAGE, isBackward, after !== undefined);
  const address = (cursor: string) => (job: PageJob) =>
    addressOf(number, status, `${cursor}=${encodeURIComponent(job.job)}`);
  return linked(page, address("before"), address("after"));
}

/** By the order of Cuirass's own pages, so that links into them, and programs that follow them, go on from where they are. */
function jobsBetween(
  { pageJobs }: PageServices,
  { number }: CuirassEvaluation,
  { status, high, low }: EvaluationQuery,
): JobsPage {
  const found = pageJobs.stoppedJobs({
    evaluation: number,
    ...statusesOf(status),
    areNewlyFailed: status === "newly-failed",
    olderThan: high,
    newerThan: low,
    limit: BORDERED_PAGE + 1,
  });
  const page = cut(found, BORDERED_PAGE, low !== undefined, high !== undefined);
  const address =
    (border: string) =>
    ({ stoppedAt, number: build }: PageJob) =>
      addressOf(
        number,
        status,
        `border-${border}-time=${Math.floor((stoppedAt ?? 0) / 1000)}&border-${border}-id=${build}`,
      );
  return linked(page, address("low"), address("high"));
}

function statusesOf(tab: View["tab"]): { statuses?: readonly number[] } {
  return tab === "all" || tab === "newly-failed" ? {} : { statuses: STATUSES[tab] };
}

interface Cut {
  readonly jobs: PageJob[];
  readonly hasNewer: boolean;
  readonly hasOlder: boolean;
}

/** A page of what was read with one job too many: its end where it was read towards the beginning. */
function cut(found: PageJob[], page: number, isBackward: boolean, isBehindPlace: boolean): Cut {
  const isCut = found.length > page;
  return {
    jobs: isBackward ? found.slice(-page) : found.slice(0, page),
    hasNewer: isBackward ? isCut : isBehindPlace,
    hasOlder: isBackward || isCut,
  };
}

function linked(
  { jobs, hasNewer, hasOlder }: Cut,
  newer: (first: PageJob) => string,
  older: (last: PageJob) => string,
): JobsPage {
  const [first, last] = [jobs[0], jobs.at(-1)];
  return {
    jobs,
    pages: {
      newer: hasNewer && first !== undefined ? newer(first) : null,
      older: hasOlder && last !== undefined ? older(last) : null,
    },
  };
}

function addressOf(number: number, status: View["tab"], place: string): string {
  return `/eval/${number}?${status === "all" ? "" : `status=${status}&`}${place}#builds`;
}
