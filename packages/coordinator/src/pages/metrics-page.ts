import type { Caller } from "../auth/caller.ts";
import { listRegistrations } from "../db/registration-repository.ts";
import type { PageDay } from "../db/page-builds-view.ts";
import { workerHistory } from "../workers/worker-history.ts";
import type { PageServices } from "./page-services.ts";
import { memberships, type ViewOf } from "./shown.ts";

type View = ViewOf<"metrics">;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const DAYS = 30;
const EVALUATIONS = 50;

/** How the farm does, over what the caller may see. */
export async function metricsPage(services: PageServices, caller: Caller): Promise<View> {
  const { authority, clock, cuirassEvaluations, cuirassJobsets, pageBuilds, pageJobs } = services;
  const now = clock.now();
  const today = now - (now % DAY_MS);
  const organizations = await authority.organizationsToRead(caller);
  const projects = cuirassJobsets.projectsOf(organizations);
  const days = daysOf(pageBuilds.days(organizations, today - (DAYS - 1) * DAY_MS), today);
  const evaluations = cuirassEvaluations.latestEvaluations({ projects, limit: EVALUATIONS });
  const { running, waiting } = pageJobs.countPending(projects);
  const last = days.at(-1);
  const endedToday = (last?.succeeded ?? 0) + (last?.failed ?? 0);
  return {
    kind: "metrics",
    pending: running + waiting,
    endedToday,
    perHour: endedToday / Math.max(1, (now - today) / HOUR_MS),
    failedEvaluations: evaluations.filter(({ state }) => state === "Failed").length,
    evaluations: evaluations
      .map(({ number, createdAt, fetchedAt, evaluatedAt, finishedAt }) => ({
        number,
        evaluationMs: fetchedAt === null || evaluatedAt === null ? null : evaluatedAt - fetchedAt,
        totalMs: finishedAt === null ? null : finishedAt - createdAt,
      }))
      .reverse(),
    days,
    machines: await machinesOf(services, caller, now),
  };
}

/** One for each day until today, also for those on which nothing ended. */
function daysOf(rows: readonly PageDay[], today: number): View["days"] {
  const days = Array.from({ length: DAYS }, (_, at) => ({
    at: today - (DAYS - 1 - at) * DAY_MS,
    succeeded: 0,
    failed: 0,
    cpuMs: 0,
  }));
  const byTime = new Map(days.map((day) => [day.at, day]));
  for (const { at, status, attempts, cpuSeconds } of rows) {
    const day = byTime.get(at);
    if (day === undefined) continue;
    if (status === "built") day.succeeded += attempts;
    else day.failed += attempts;
    day.cpuMs += cpuSeconds * 1000;
  }
  return days;
}

/** Machines of the caller's organizations, by what they did in the last day. */
async function machinesOf(
  services: PageServices,
  caller: Caller,
  now: number,
): Promise<View["machines"]> {
  const db = services.database.kysely;
  const machines: View["machines"][number][] = [];
  for (const { id: organizationId } of await memberships(services, caller)) {
    for (const { worker_id: workerId, display_name: name } of await listRegistrations(
      db,
      organizationId,
    )) {
      const { hours } = await workerHistory(db, { organizationId, workerId }, now);
      const lastDay = hours.slice(-24);
      machines.push({
        id: workerId,
        name: name === "" ? workerId : name,
        builds: lastDay.reduce((sum, { ended }) => sum + ended, 0),
        busyMs: lastDay.reduce((sum, { assignedJobs }) => sum + assignedJobs * HOUR_MS, 0),
      });
    }
  }
  return machines;
}
