import { randomInt } from "node:crypto";
import type { Authority } from "../auth/authority.ts";
import type { Caller } from "../auth/caller.ts";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/client.ts";
import type { CuirassJobsetView, Jobset } from "../db/cuirass-jobset-view.ts";
import {
  countDashboards,
  deleteUnusedDashboards,
  findDashboard,
  insertDashboard,
  useDashboard,
  type Dashboard,
} from "../db/dashboard-repository.ts";
import { CoordinatorError } from "../errors.ts";

const ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 16;
/** Anybody may make one: a project keeps so many, and those that somebody looks at. */
const MAX_OF_PROJECT = 1000;
const KEPT_MS = 90 * 86_400_000;
const MAX_NAMES_BYTES = 64 * 1024;

/** Keeps a list of jobs and resolves to its id. Names need not be those of jobs. Throws CoordinatorError with Cuirass's text when the project has too many. */
export async function registerDashboard(
  { database, clock }: { database: Database; clock: Clock },
  caller: Caller,
  of: { jobset: Pick<Jobset, "projectId">; names: readonly string[] },
): Promise<string> {
  const { projectId } = of.jobset;
  const now = clock.now();
  const id = Array.from({ length: ID_LENGTH }, () => ID_CHARACTERS[randomInt(62)]).join("");
  const isTooLong = JSON.stringify(of.names).length > MAX_NAMES_BYTES;
  const isKept = await database.transaction(async ({ kysely }) => {
    await deleteUnusedDashboards(kysely, now - KEPT_MS);
    if (isTooLong || (await countDashboards(kysely, projectId)) >= MAX_OF_PROJECT) return false;
    const createdBy = caller.kind === "signed-in" ? caller.user.id : null;
    await insertDashboard(kysely, { id, projectId, names: of.names, createdBy }, now);
    return true;
  });
  if (isKept) return id;
  throw new CoordinatorError("Failed to register the dashboard", 500, "dashboard_limit");
}

/** A dashboard with its project; null when there is none for the caller. That somebody looks keeps it. */
export async function openDashboard(
  parts: {
    authority: Authority;
    cuirassJobsets: CuirassJobsetView;
    database: Database;
    clock: Clock;
  },
  caller: Caller,
  id: string,
): Promise<{ dashboard: Dashboard; jobset: Jobset } | null> {
  const { authority, cuirassJobsets, database, clock } = parts;
  const dashboard = await findDashboard(database.kysely, id);
  const jobset = dashboard === null ? null : cuirassJobsets.jobsetOfProject(dashboard.projectId);
  if (dashboard === null || jobset === null) return null;
  if (!(await authority.mayReadOrganization(caller, jobset.organizationId))) return null;
  await useDashboard(database.kysely, dashboard, clock.now());
  return { dashboard, jobset };
}
