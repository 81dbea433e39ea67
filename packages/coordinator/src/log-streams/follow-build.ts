import { findProgress } from "../db/build-view.ts";
import type { Queries } from "../db/client.ts";
import type { Logs } from "../ports.ts";
import { isUnfinishedBuild } from "../scheduler/build-state.ts";
import { pause } from "./pause.ts";

/** How often a build is looked at that has no attempt to follow yet. */
const LOOK_EVERY_MS = 500;

/**
 * Text that is appended to a build's log from now on, over all attempts to come, until the build has ended. What is in the log already is not
 * repeated: who wants it has read it.
 */
export async function* followBuild(
  dependencies: { db: Queries; logs: Logs },
  id: string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const { db, logs } = dependencies;
  let build = await findProgress(db, id);
  let followed: number | null = null;
  let offset = build === undefined || build.attempt === null ? 0 : await logs.size(build.attempt);
  while (build !== undefined && !signal.aborted) {
    if (build.attempt !== null && build.attempt !== followed) {
      followed = build.attempt;
      yield* logs.follow(build.attempt, offset, signal);
      offset = 0;
    } else if (!isUnfinishedBuild(build.state)) {
      return;
    } else {
      await pause(LOOK_EVERY_MS, signal);
    }
    build = await findProgress(db, id);
  }
}
