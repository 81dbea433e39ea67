import { findNewestAttemptInCache, type BuildFacts } from "../db/build-view.ts";
import { findPublicCachesOf } from "../db/cache-path-repository.ts";
import { findNewestBuiltAttempt } from "../db/attempt-repository.ts";
import type { Queries } from "../db/client.ts";
import { isBuildState, isSuccessfulBuild } from "../scheduler/build-state.ts";

/**
 * The attempt whose log is a build's log; null when there is none. For a build whose outputs are there it is the one that made them, also when
 * that was for an earlier evaluation, or for another organization that fills a public cache which this one reads.
 */
export async function findLogAttempt(
  db: Queries,
  build: Pick<
    BuildFacts,
    "state" | "attempt" | "attempt_status" | "build_id" | "organization_id" | "drv_path"
  >,
): Promise<number | null> {
  const isThere = isBuildState(build.state) && isSuccessfulBuild(build.state);
  if (!isThere || build.attempt_status === "built") return build.attempt;
  const own = await findNewestBuiltAttempt(db, build.build_id);
  if (own !== null) return own;
  for (const cache of await findPublicCachesOf(db, build.organization_id)) {
    const other = await findNewestAttemptInCache(db, cache, build.drv_path);
    if (other !== undefined) return other;
  }
  return build.attempt;
}
