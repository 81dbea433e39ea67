import { findAttemptedBuild, refuseAttempt } from "../db/attempt-repository.ts";
import { findAwayWorkers } from "../db/worker-repository.ts";
import type { Change } from "../queue/change.ts";
import type { BuildSeat } from "../scheduler/choose-worker.ts";
import { impossibility } from "../scheduler/impossible.ts";
import type { ReadyQueue } from "../scheduler/ready-queue.ts";
import { failBuild } from "./verdict.ts";

/** A worker that was seen in this time may come back. */
const AWAY_MS = 24 * 3600 * 1000;

/** Ends builds that ask for more than any worker has: they would wait for ever. */
export async function refuseImpossible(
  change: Change,
  queue: ReadyQueue,
  seats: readonly BuildSeat[],
): Promise<void> {
  const { kysely, now, news } = change;
  const connected = new Set(seats.map(({ worker }) => worker));
  for (const group of queue.groups()) {
    // Most groups are possible: nobody is asked for.
    if (impossibility(group, seats, []) === null) continue;
    const known = await findAwayWorkers(kysely, group.organization, now - AWAY_MS);
    const away = known.filter(({ worker }) => !connected.has(worker));
    const reason = impossibility(group, seats, away);
    if (reason === null) continue;
    for (const { attempt } of queue.buildsOf(group)) {
      const attempted = await findAttemptedBuild(kysely, attempt);
      if (attempted === null || !(await refuseAttempt(kysely, attempt, reason, now))) continue;
      const { build, drvPath } = attempted;
      await failBuild(change, build, "refused", {
        drvPath,
        message: reason,
        startedAt: null,
        stoppedAt: now,
      });
      news.withdrawn.push(attempt);
      news.ended.push(attempt);
      news.outcomes.push("client_error");
    }
  }
}
