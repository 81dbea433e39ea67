import { organizationIdSchema } from "@gradient/protocol";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import type { PageServices } from "./page-services.ts";

const MAX_NAMED = 3;

/** One sentence on what a build that has not begun waits for; null for all others. */
export function waitsFor(
  services: PageServices,
  row: ProjectBuildRow,
  attempt: number | null,
): string | null {
  if (row.status !== -2 && row.status !== -3) return null;
  const { projectId, derivationId } = row;
  const needed = services.pageBuilds
    .dependencies({ projectId, derivationId, limit: 1000 })
    .filter(({ status }) => status !== null && status < 0);
  if (needed.length > 0)
    return `It waits for ${listText(needed.map(({ name }) => name))} to be built.`;
  return workersText(services, row, attempt);
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}

function listText(names: readonly string[]): string {
  const rest = names.length - MAX_NAMED;
  const named = names.slice(0, MAX_NAMED).join(", ");
  return rest > 0 ? `${named} and ${rest} more` : named;
}

function workersText(
  { workers, queue }: PageServices,
  row: ProjectBuildRow,
  attempt: number | null,
): string {
  const organization = organizationIdSchema.parse(row.organizationId);
  const able = workers
    .live()
    .filter(({ authorized, capabilities }) => authorized.has(organization) && capabilities.build)
    .filter(({ systems }) => systems.includes(row.system) || row.system === "builtin");
  if (able.length === 0) return `No connected worker builds for ${row.system}.`;
  const free = able.some(
    ({ isDraining, assignedCount, maxConcurrentBuilds }) =>
      !isDraining && assignedCount < maxConcurrentBuilds,
  );
  const missing = attempt === null ? null : queue.missingMemory(attempt);
  if (missing !== null) {
    return `It waits for memory: it gets ${mebibytes(missing.neededBytes)}, and no worker with a free slot has more than ${mebibytes(missing.freeBytes)} left.`;
  }
  return free
    ? "It can run, and is given to a worker that has room for it."
    : `It waits until one of ${able.length === 1 ? "the worker's slots" : `${able.length} workers`} is free.`;
}
