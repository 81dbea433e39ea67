import { findFailedAttempts } from "../db/attempt-repository.ts";
import { insertMessages } from "../db/job-repository.ts";
import { noteReused } from "../db/evaluation-build-repository.ts";
import type { Evaluation } from "../db/evaluation-repository.ts";
import type { Change } from "../queue/change.ts";
import type { PlannedBuild } from "./plan-builds.ts";

/** How many failures of a slice are told one by one. */
const FAILURES_TOLD = 20;

/** Says which builds of a slice are not run again because they failed before. They are linked already. */
export async function tellReused(
  { kysely, now }: Change,
  evaluation: Evaluation,
  slice: readonly PlannedBuild[],
  existing: ReadonlyMap<number, { id: number }>,
): Promise<void> {
  const reused = new Map<number, number>();
  for (const { derivation, reusedAttempt } of slice) {
    const build = existing.get(derivation)?.id;
    if (build !== undefined && reusedAttempt !== null) reused.set(build, reusedAttempt);
  }
  if (reused.size === 0) return;
  await noteReused(kysely, evaluation.id, reused);
  const failed = await findFailedAttempts(kysely, [...reused.values()]);
  const texts = failed
    .slice(0, FAILURES_TOLD)
    .map(
      ({ attempt, drvPath, message }) =>
        `/nix/store/${drvPath} is not built again: it failed as build ${attempt} (${message ?? "no reason was given"})`,
    );
  const others = failed.length - texts.length;
  if (others > 0) texts.push(`${others} more builds that failed before are not built again`);
  const messages = texts.map((text) => ({ level: "Notice" as const, text }));
  await insertMessages(kysely, evaluation.id, messages, now);
}
