import type { Fencing, WorkerId } from "@gradient/protocol";
import {
  deleteLease,
  findAnswer,
  findLease,
  insertAnswer,
  type Answer,
  type Lease,
} from "../db/assignment-repository.ts";
import type { Change } from "./change.ts";

export const ACCEPTED: Answer = { isAccepted: true, reason: null };

/** The worker logs the reason and lets go of the result. */
export function refused(reason: string): Answer {
  return { isAccepted: false, reason };
}

/**
 * Handles a result exactly once: under its lease, which ends with it, and with the recorded answer when it comes again.
 * A result whose lease was lost changes nothing.
 */
export async function answerOnce(
  change: Change,
  fencing: Fencing,
  worker: WorkerId,
  handle: (lease: Lease) => Promise<Answer>,
): Promise<Answer> {
  const { kysely, now, news } = change;
  const lease = await findLease(kysely, fencing, worker);
  if (lease === null) {
    // It may have gone with what it was about, for instance a project that was deleted.
    news.released.push(fencing);
    const earlier = await findAnswer(kysely, fencing, worker);
    return earlier ?? refused(`assignment ${fencing} is not leased to this worker any more`);
  }
  const answer = await handle(lease);
  await deleteLease(kysely, fencing);
  await insertAnswer(kysely, lease, answer, now);
  news.released.push(fencing);
  // Whoever has reported need not be told to stop.
  const own = news.cancelled.findIndex((cancelled) => cancelled.lease.fencing === fencing);
  if (own >= 0) news.cancelled.splice(own, 1);
  return answer;
}
