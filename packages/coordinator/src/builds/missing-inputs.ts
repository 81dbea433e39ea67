import { evaluationIdSchema } from "@gradient/protocol";
import { withdrawAttempts } from "../db/attempt-repository.ts";
import { moveBuilds, recountDependencies, type Build } from "../db/build-repository.ts";
import { countLinks } from "../db/evaluation-build-repository.ts";
import type { PlanReads } from "../evaluations/plan-builds.ts";
import { wantBuilds } from "../evaluations/want-builds.ts";
import type { Change, ChangeFacts } from "../queue/change.ts";
import type { Queries } from "../db/client.ts";
import { retractOutputs } from "./announcement.ts";
import { queueReadyBuilds } from "./readiness.ts";
import { failBuild, type Failure, type RetryPolicy } from "./verdict.ts";

/**
 * Makes inputs wanted again that no cache has any more, for every evaluation that waits for the build.
 * False when all are there: whoever missed one did not get it for another reason.
 */
export async function reopenMissingInputs(
  options: { kysely: Queries; reads: PlanReads; changes: ChangeFacts },
  build: Build,
): Promise<boolean> {
  const { kysely, reads, changes } = options;
  const missing: number[] = [];
  for (const input of reads.derivations.inputs(build.derivation)) {
    if ((await reads.decideAvailability(input)) === "absent") missing.push(input);
  }
  if (missing.length === 0) return false;
  const evaluations = await countLinks(kysely, [build.id]);
  for (const id of evaluations.keys()) {
    await wantBuilds({ reads, changes }, evaluationIdSchema.parse(id), missing);
  }
  return true;
}

/** Sends a build back to wait for its inputs; ends it when that happened too often. */
export async function awaitInputs(
  change: Change,
  build: Build,
  end: Failure & { drvPath: string },
  policy: RetryPolicy,
): Promise<void> {
  const { kysely, now } = change;
  await retractOutputs(change, build);
  const tries = build.tries + 1;
  if (tries >= policy.maxAttempts) {
    const message = `given up after ${tries} attempts: inputs vanished each time`;
    await failBuild(change, build, "failed", { ...end, message });
    return;
  }
  const details = {
    tries,
    message: end.message,
    ready_at: null,
    assigned_at: null,
    started_at: null,
  };
  const moved = await moveBuilds(kysely, [build.id], "inputs-missing", now, details);
  await withdrawAttempts(kysely, moved, "an input has to be built again", now);
  await queueReadyBuilds(change, await recountDependencies(kysely, moved));
}
