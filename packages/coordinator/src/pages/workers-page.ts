import { organizationIdSchema } from "@gradient/protocol";
import type { Caller } from "../auth/caller.ts";
import { listRegistrations, type Registration } from "../db/registration-repository.ts";
import type { HeldBuild } from "../db/page-builds-view.ts";
import { NotFoundError } from "../errors.ts";
import { workerHistory } from "../workers/worker-history.ts";
import type { PageServices } from "./page-services.ts";
import { searchRow } from "./search-page.ts";
import { memberships, type ViewOf } from "./shown.ts";

type WorkerRow = ViewOf<"machine">["worker"];
type RunningBuild = WorkerRow["builds"][number];

const MAX_BUILDS = 50;

/** Workers of the caller's organizations: of others it is nobody's business what machines they have. */
export async function workersPage(
  services: PageServices,
  caller: Caller,
): Promise<ViewOf<"workers">> {
  const organizations = await memberships(services, caller);
  const isMine = new Set(organizations.map(({ id }) => id));
  const held = services.pageBuilds.heldBuilds();
  const workers: WorkerRow[] = [];
  for (const organization of organizations) {
    for (const row of await listRegistrations(services.database.kysely, organization.id)) {
      workers.push(workerRow(services, { row, organization: organization.name, held, isMine }));
    }
  }
  return { kind: "workers", isSignedIn: caller.kind === "signed-in", workers };
}

/** One worker. Throws NotFoundError for one that no organization of the caller has registered. */
export async function machinePage(
  services: PageServices,
  caller: Caller,
  workerId: string,
): Promise<ViewOf<"machine">> {
  const { database, clock, pageBuilds, cuirassBuilds } = services;
  const organizations = await memberships(services, caller);
  const isMine = new Set(organizations.map(({ id }) => id));
  const held = pageBuilds.heldBuilds();
  for (const organization of organizations) {
    const registrations = await listRegistrations(database.kysely, organization.id);
    const row = registrations.find((each) => each.worker_id === workerId);
    if (row === undefined) continue;
    const of = { workerId, organizations: [...isMine], limit: MAX_BUILDS };
    const key = { organizationId: organization.id, workerId };
    const { hours } = await workerHistory(database.kysely, key, clock.now());
    return {
      kind: "machine",
      worker: workerRow(services, { row, organization: organization.name, held, isMine }),
      builds: cuirassBuilds.builds(pageBuilds.lastOfWorker(of)).map(searchRow),
      hours: hours.map(({ at, ended, built }) => ({ at, succeeded: built, failed: ended - built })),
    };
  }
  throw new NotFoundError(`there is no machine ${workerId} in your organizations`);
}

function workerRow(
  services: PageServices,
  of: {
    row: Registration;
    organization: string;
    held: readonly HeldBuild[];
    isMine: ReadonlySet<string>;
  },
): WorkerRow {
  const { row, organization, held, isMine } = of;
  const organizationId = organizationIdSchema.parse(row.organization_id);
  const live = services.workers
    .live()
    .find(({ worker, authorized }) => worker === row.worker_id && authorized.has(organizationId));
  const seenAt = services.pageBuilds.lastSeen(row.worker_id);
  return {
    id: row.worker_id,
    name: row.display_name === "" ? row.worker_id : row.display_name,
    organization,
    state: stateOf(row, live),
    systems: live?.systems ?? [],
    features: live?.systemFeatures ?? [],
    slots: live?.maxConcurrentBuilds ?? null,
    lastSeenAt: live === undefined ? seenAt : services.clock.now(),
    builds: held
      .filter(({ workerId }) => workerId === row.worker_id)
      .map((build) => runningBuild(services, build, isMine.has(build.organizationId))),
  };
}

function stateOf(row: Registration, live: { isDraining: boolean } | undefined): WorkerRow["state"] {
  if (row.active === 0) return "inactive";
  if (live === undefined) return "away";
  return live.isDraining ? "draining" : "connected";
}

/** A build that runs; of another organization's nothing but that it does. */
export function runningBuild(
  { pageJobs }: PageServices,
  build: HeldBuild,
  isShown: boolean,
): RunningBuild {
  const { number, name, startedAt, projectId, job } = build;
  if (!isShown) {
    return { number: null, name: "a build of another organization", startedAt, expectedMs: null };
  }
  const expectedMs =
    projectId === null || job === null ? null : pageJobs.lastDuration({ projectId, job });
  return { number, name, startedAt, expectedMs };
}
