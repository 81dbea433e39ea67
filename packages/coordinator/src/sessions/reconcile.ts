import type { Hello, Welcome } from "@gradient/protocol";
import { findAttemptedBuild } from "../db/attempt-repository.ts";
import { findEvaluation } from "../db/evaluation-repository.ts";
import type { Queries } from "../db/client.ts";
import type { Lease } from "../db/assignment-repository.ts";
import type { RetryPolicy } from "../builds/verdict.ts";
import { acceptOffer } from "../queue/accept-offer.ts";
import type { AheadOffers } from "../queue/ahead-offers.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { LeaseBook } from "../queue/lease-book.ts";
import { loseLease } from "../queue/lose-lease.ts";
import { isActiveEvaluation } from "../scheduler/evaluation-state.ts";

type Verdict = Welcome["reconcile"][number];

export interface ReconcileOptions {
  readonly kysely: Queries;
  readonly changes: ChangeFacts;
  readonly leases: LeaseBook;
  readonly leaseMs: number;
  readonly ahead: AheadOffers;
  readonly retries: RetryPolicy;
}

/**
 * Compares what a worker says it holds with its leases. What it runs under a lease goes on, what it runs without one stops;
 * a lease that it does not know of is lost at once, without waiting for its expiry.
 */
export async function reconcile(options: ReconcileOptions, hello: Hello): Promise<Verdict[]> {
  const { changes, leases, retries } = options;
  const { worker } = hello;
  const verdicts: Verdict[] = [];
  const known = new Set<number>();
  for (const { assignment, fencing, state } of hello.assignments) {
    const lease = leases.get(fencing)?.lease ?? null;
    const isHeld = lease?.worker === worker && lease.assignment === assignment;
    if (!isHeld || !(await isTaken(options, lease))) {
      verdicts.push({ assignment, fencing, action: state === "running" ? "cancel" : "drop" });
      continue;
    }
    known.add(fencing);
    const action =
      state === "finished" ? "send" : (await isWanted(options.kysely, lease)) ? "keep" : "cancel";
    verdicts.push({ assignment, fencing, action });
  }
  // A list, because the book changes on the way.
  const held = Array.from(leases.ofWorker(worker));
  for (const { lease } of held) {
    if (known.has(lease.fencing)) continue;
    const reason = `worker ${worker} came back and does not know of it`;
    await changes((change) => loseLease(change, lease, reason, retries));
  }
  return verdicts;
}

/** An offer that the worker took while it could not say so is accepted now. */
async function isTaken(options: ReconcileOptions, lease: Lease): Promise<boolean> {
  if (lease.state === "accepted") return true;
  const taken = await options.changes((change) => acceptOffer(change, lease, options));
  return taken.isAccepted;
}

/** Whether anybody still waits for what the worker runs. */
async function isWanted(kysely: Queries, lease: Lease): Promise<boolean> {
  if (lease.kind === "sign" || lease.kind === "restore") return true;
  if (lease.attempt !== null) {
    const attempted = await findAttemptedBuild(kysely, lease.attempt);
    return attempted !== null && attempted.isNewest && attempted.build.state !== "Aborted";
  }
  const evaluation =
    lease.evaluation === null ? null : await findEvaluation(kysely, lease.evaluation);
  return evaluation !== null && isActiveEvaluation(evaluation.state);
}
