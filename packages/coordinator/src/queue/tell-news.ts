import type { Fencing } from "@gradient/protocol";
import type { Lease } from "../db/assignment-repository.ts";
import type { ReadyQueue } from "../scheduler/ready-queue.ts";
import type { AheadOffers } from "./ahead-offers.ts";
import type { News } from "./change.ts";
import type { Draining } from "./draining.ts";
import type { EndedAttempts } from "./ended-attempts.ts";
import type { EvaluationTasks } from "./evaluation-tasks.ts";
import { mayBegin, type Fleet } from "./fleet.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { LocalInputs } from "./local-inputs.ts";
import type { SigningTasks } from "./signing-tasks.ts";

export interface NewsListeners {
  readonly queue: ReadyQueue;
  readonly tasks: EvaluationTasks;
  readonly signing: SigningTasks;
  readonly leases: LeaseBook;
  readonly local: LocalInputs;
  readonly ahead: AheadOffers;
  readonly draining: Readonly<Draining>;
  readonly fleet: Fleet;
  readonly ended: EndedAttempts;
  /** Whoever waits for what became of a lease may look. */
  leaseReleased(fencing: Fencing): void;
  /** What the offer waits for will not be built under its lease. */
  withdraw(lease: Lease): void;
  /** Something became ready, or somebody free. */
  wake(): void;
  /** Something changed that may leave an evaluation with nobody to go on with it. */
  review(): void;
  /** Nothing is added to the attempt's log any more. */
  logEnded(attempt: number): void;
  /** Builds have ended, or go on otherwise than it seemed: who waits for one may look again. */
  buildsMoved(): void;
}

/** Brings memory and workers up to date with a transaction that was committed. Synchronous, so that nobody sees one without the other. */
export function tellNews(listeners: NewsListeners, news: News): void {
  const { queue, tasks, signing, leases, local, ahead, fleet, draining } = listeners;
  const withdraw = (lease: Lease): void => {
    ahead.remove(lease.fencing);
    listeners.withdraw(lease);
  };
  for (const lease of news.offered) leases.put(lease);
  for (const offer of news.ahead) ahead.put(offer);
  for (const lease of news.accepted) {
    leases.put(lease);
    ahead.remove(lease.fencing);
    if (lease.kind === "fetch" && lease.evaluation !== null)
      tasks.noteFetcher(lease.evaluation, lease.worker);
  }
  for (const { lease, reason } of news.cancelled) {
    const { assignment, fencing } = lease;
    fleet.find(lease.worker)?.send({ type: "cancel", assignment, fencing, reason });
  }
  // First of all: what waits for a lease that is released with them has to be seen as waiting.
  ahead.withdraw(news.withdrawn);
  for (const fencing of news.released) {
    const lease = leases.get(fencing)?.lease;
    // What it held is free again, or has left the list.
    if (lease?.kind === "sign") signing.note(lease.worker);
    leases.remove(fencing);
    local.remove(fencing);
    const ready = ahead.remove(fencing);
    if (ready !== null) queue.add(ready);
    for (const waiting of ahead.waitingFor(fencing)) withdraw(waiting);
    listeners.leaseReleased(fencing);
  }
  for (const outputs of news.local) local.add(outputs);
  for (const build of news.ready) {
    const offered = ahead.find(build);
    const worker = offered === null ? null : fleet.find(offered.worker);
    if (offered !== null && mayBegin(worker, offered, draining)) {
      leases.put(ahead.bind(offered, build));
      continue;
    }
    if (offered !== null) withdraw(offered);
    queue.add(build);
  }
  for (const build of news.reordered) {
    // One that is just being offered keeps its offer.
    if (!queue.has(build.attempt)) continue;
    queue.take(build.attempt);
    queue.add(build);
  }
  for (const attempt of [...news.withdrawn, ...news.ended]) queue.remove(attempt);
  for (const id of news.tasks) tasks.note(id);
  for (const worker of news.signing) signing.note(worker);
  for (const id of news.closed) tasks.forget(id);
  for (const attempt of news.ended) listeners.logEnded(attempt);
  listeners.ended.note(news.outcomes);
  if (news.ended.length > 0) listeners.buildsMoved();
  const isReady = news.ready.length > 0 || news.tasks.size > 0;
  if (isReady || news.signing.size > 0 || news.released.length > 0) listeners.wake();
  if (isReady) listeners.review();
}
