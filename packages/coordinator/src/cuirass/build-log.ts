import { findNewestAttempt } from "../db/attempt-repository.ts";
import type { Queries } from "../db/client.ts";
import type { ProjectBuildRow } from "../db/cuirass-build-view.ts";
import { findLogAttempt } from "../log-streams/log-attempt.ts";

/** The attempt whose log is a project build's log; null when there is none. */
export async function findBuildLog(db: Queries, row: ProjectBuildRow): Promise<number | null> {
  const { buildId, state, organizationId, drvPath } = row;
  if (buildId === null || state === null) return null;
  const newest = await findNewestAttempt(db, buildId);
  return findLogAttempt(db, {
    state,
    attempt: newest?.number ?? null,
    attempt_status: null,
    build_id: buildId,
    organization_id: organizationId,
    drv_path: drvPath,
  });
}
