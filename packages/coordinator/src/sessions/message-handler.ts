import type {
  EvalJobs,
  Fencing,
  LinkFeature,
  Result,
  ToCoordinator,
  UsageReport,
} from "@gradient/protocol";
import type { Clock } from "../clock.ts";
import { announceOutputs } from "../builds/announcement.ts";
import { HeldResults } from "../builds/held-results.ts";
import { StartedBuilds } from "../builds/started-builds.ts";
import {
  takeBuildResult,
  type AwaitsInputs,
  type BuildResultOptions,
} from "../builds/take-build-result.ts";
import type { Answer, Lease } from "../db/assignment-repository.ts";
import { noteFigures } from "../db/attempt-repository.ts";
import type { CachedPathReads } from "../db/cache-path-repository.ts";
import type { Queries } from "../db/client.ts";
import type { PlanReads } from "../evaluations/plan-builds.ts";
import { takeJobs } from "../evaluations/take-jobs.ts";
import { takeEvalResult, takeFetchResult } from "../evaluations/take-results.ts";
import type { Logger } from "../logger.ts";
import type { LogFiles } from "../logs/log-files.ts";
import type { RetryPolicy } from "../builds/verdict.ts";
import { acceptOffer } from "../queue/accept-offer.ts";
import type { AheadOffers } from "../queue/ahead-offers.ts";
import { answerOnce, refused } from "../queue/answer.ts";
import type { Background } from "../queue/background.ts";
import type { Change, Changes } from "../queue/change.ts";
import type { Draining } from "../queue/draining.ts";
import type { HeldLease, LeaseBook } from "../queue/lease-book.ts";
import type { LocalInputs } from "../queue/local-inputs.ts";
import { mayBegin } from "../queue/fleet.ts";
import { loseLease, withdrawOffer } from "../queue/lose-lease.ts";
import { offerMessage, type Offer } from "../queue/offer.ts";
import { offerAhead } from "../queue/offer-ahead.ts";
import type { ReadyQueue } from "../scheduler/ready-queue.ts";
import type { WorkerQuestions } from "../restoring/worker-questions.ts";
import { takeSignResult } from "../signing/take-sign-result.ts";
import type { HeadQuestions } from "./head-questions.ts";
import type { Session } from "./session.ts";

/** The phase `uploading` says that a build has been built. */
const BUILT_PHASE: LinkFeature = "built-phase";

export interface MessageHandlerOptions {
  readonly kysely: Queries;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly leases: LeaseBook;
  readonly local: LocalInputs;
  readonly ahead: AheadOffers;
  readonly draining: Readonly<Draining>;
  readonly heads: HeadQuestions;
  readonly questions: WorkerQuestions;
  readonly queue: ReadyQueue;
  readonly logs: LogFiles;
  readonly plans: PlanReads;
  readonly cachedPaths: CachedPathReads;
  readonly builds: BuildResultOptions;
  readonly retries: RetryPolicy;
  readonly leaseMs: number;
  readonly logger: Logger;
  /** How long a worker that declined gets no offer at all: the first time, and at most. For the longer one it does not get the same build. */
  readonly declinePauseMs: number;
  readonly declineMemoryMs: number;
  /** Resolves when everything that is committed now is durable. */
  readonly flushed: () => Promise<void>;
  readonly background: Background;
  /** A worker may have become free, or something may be due. */
  readonly wake: () => void;
  /** An evaluation has named everything that it needs. */
  readonly onEvaluated: (evaluationId: string) => void;
}

/** What an authenticated worker says, put into effect. One message of a session at a time. */
export class MessageHandler {
  readonly #options: MessageHandlerOptions;
  readonly #heldResults = new HeldResults<Session>();
  readonly #started: StartedBuilds;

  constructor(options: MessageHandlerOptions) {
    this.#options = options;
    const { changes, clock, background } = options;
    this.#started = new StartedBuilds({ changes: changes.relaxed, clock, background });
  }

  /** `hello` and `auth` belong to the handshake and are not handled here. */
  async handle(
    session: Session,
    message: Exclude<ToCoordinator, { type: "hello" | "auth" }>,
  ): Promise<void> {
    switch (message.type) {
      case "accept":
        return this.#accept(session, message);
      case "decline":
        return this.#decline(session, message);
      case "progress":
        return this.#progress(session, message);
      case "usage":
        return this.#usage(session, message);
      case "log":
        return this.#log(session, message);
      case "eval-jobs":
        return this.#evalJobs(session, message);
      case "result":
        return this.#result(session, message);
      case "draining":
        session.drain();
        return;
      case "head":
        this.#options.heads.take(session, message);
        return;
    }
  }

  #held(
    session: Session,
    { assignment, fencing }: { assignment: string; fencing: Fencing },
  ): HeldLease | null {
    const held = this.#options.leases.get(fencing);
    return held?.lease.worker === session.id && held.lease.assignment === assignment ? held : null;
  }

  async #accept(
    session: Session,
    message: Extract<ToCoordinator, { type: "accept" }>,
  ): Promise<void> {
    const { assignment, fencing } = message;
    const lease = this.#held(session, message)?.lease ?? null;
    if (lease?.state === "accepted") return;
    const built = this.#noteBuilt(session, message);
    const { answer, next } = await this.#begin(session, lease, built);
    // The slot of what is built is free.
    if (built !== null) this.#options.wake();
    if (answer.isAccepted) {
      session.accepted();
      if (next !== null) session.send(offerMessage(next, this.#options.leaseMs));
      return;
    }
    session.send({
      type: "cancel",
      assignment,
      fencing,
      reason: answer.reason ?? "not wanted any more",
    });
  }

  /** The build that an offer ahead came after, when it is told with the acceptance that it is built. */
  #noteBuilt(
    session: Session,
    { built }: Extract<ToCoordinator, { type: "accept" }>,
  ): Lease | null {
    const held = built === undefined ? null : this.#held(session, built);
    if (held === null || held.phase === "uploading" || held.phase === "signing") return null;
    if (!session.linkFeatures.has(BUILT_PHASE)) return null;
    this.#options.leases.setPhase(held.lease.fencing, "uploading");
    return held.lease;
  }

  /** Answers an acceptance, and offers the worker what it can do next. `built` is announced with it. */
  async #begin(
    worker: Session,
    lease: Lease | null,
    built: Lease | null,
  ): Promise<{ answer: Answer; next: Offer | null }> {
    if (lease === null && built === null)
      return { answer: refused("the offer was withdrawn"), next: null };
    return this.#options.changes.relaxed(async (change) => {
      if (built !== null) await announceOutputs(change, built, "local");
      if (lease === null) return { answer: refused("the offer was withdrawn"), next: null };
      const { answer, accepted } = await this.#acceptReady(change, worker, lease);
      if (!answer.isAccepted) return { answer, next: null };
      const about = { input: accepted, worker };
      return { answer, next: await offerAhead(change, about, this.#options) };
    });
  }

  /** An offer ahead may be of a build that became ready in this transaction. */
  async #acceptReady(
    change: Change,
    worker: Session,
    lease: Lease,
  ): Promise<{ answer: Answer; accepted: Lease }> {
    const { ahead, draining } = this.#options;
    const { ready } = change.news;
    const build = mayBegin(worker, lease, draining) ? ahead.claim(lease.fencing, ready) : null;
    const accepted = build === null ? lease : ahead.leaseOf(lease, build);
    const answer = await acceptOffer(change, accepted, this.#options);
    if (build !== null && !answer.isAccepted) ready.push(build);
    return { answer, accepted };
  }

  async #decline(
    session: Session,
    message: Extract<ToCoordinator, { type: "decline" }>,
  ): Promise<void> {
    const held = this.#held(session, message);
    if (held?.lease.state !== "offered") return;
    const { kind } = held.lease;
    const facts = { worker: session.id, kind, reason: message.reason };
    this.#options.logger.warn(facts, "a worker declines what it is offered");
    this.unanswered(session, held.lease);
    await this.#options.changes.relaxed((change) => withdrawOffer(change, held.lease));
  }

  /** A worker that declines, or does not answer, is left alone ever longer; the same build is not offered to it again for a while. */
  unanswered(session: Session | null, lease: Lease): void {
    const { clock, queue, declinePauseMs, declineMemoryMs, wake } = this.#options;
    const now = clock.now();
    if (lease.attempt !== null) queue.decline(lease.attempt, lease.worker, now + declineMemoryMs);
    if (session === null) return;
    const pause = { firstMs: declinePauseMs, mostMs: declineMemoryMs };
    clock.after(session.declined(now, pause), wake);
  }

  async #progress(
    session: Session,
    message: Extract<ToCoordinator, { type: "progress" }>,
  ): Promise<void> {
    const { leases, local, wake } = this.#options;
    const { phase, fencing } = message;
    const held = this.#held(session, message);
    if (held === null || held.phase === phase) return;
    leases.setPhase(fencing, phase);
    const { attempt } = held.lease;
    if (attempt === null) return;
    switch (phase) {
      case "building":
        this.#started.add(attempt);
        return;
      case "uploading":
        if (session.linkFeatures.has(BUILT_PHASE)) await this.#announce(held.lease, "local");
        break;
      case "signing":
        // Whoever was told that it is built knows it already.
        if (!local.remove(fencing)) await this.#announce(held.lease, "everywhere");
        break;
      default:
        return;
    }
    // The slot is free: the next build need not wait for the upload, nor the uploads of others for the signature.
    wake();
  }

  #announce(lease: Lease, place: "local" | "everywhere"): Promise<void> {
    return this.#options.changes.relaxed((change) => announceOutputs(change, lease, place));
  }

  async #usage(session: Session, { builds }: UsageReport): Promise<void> {
    const figures = builds.flatMap((build) => {
      const attempt = this.#held(session, build)?.lease.attempt ?? null;
      return attempt === null ? [] : [{ ...build, attempt }];
    });
    if (figures.length === 0) return;
    await this.#options.changes.relaxed(async ({ kysely }) => {
      for (const each of figures) await noteFigures(kysely, each.attempt, each);
    });
  }

  async #log(session: Session, message: Extract<ToCoordinator, { type: "log" }>): Promise<void> {
    const attempt = this.#held(session, message)?.lease.attempt ?? null;
    const { assignment, fencing } = message;
    // What nobody keeps is taken all the same: unanswered, it would hold up the logs of other builds, and the result behind it.
    const offset =
      attempt === null
        ? message.offset + Buffer.byteLength(message.text)
        : await this.#options.logs.append(attempt, message.offset, message.text);
    session.send({ type: "log-ack", assignment, fencing, offset });
  }

  async #evalJobs(session: Session, message: EvalJobs): Promise<void> {
    const { kysely, plans, changes } = this.#options;
    const { assignment, fencing, sequence } = message;
    if (await takeJobs({ kysely, reads: plans, changes: changes.durable }, session.id, message)) {
      session.send({ type: "eval-ack", assignment, fencing, sequence });
    } else {
      session.send({
        type: "cancel",
        assignment,
        fencing,
        reason: "the evaluation has ended or was given to somebody else",
      });
      // The worker sends its result when no batch waits for an answer any more.
      session.send({ type: "eval-ack", assignment, fencing, sequence });
    }
  }

  async #result(session: Session, message: Result): Promise<void> {
    const held = this.#held(session, message);
    // A worker may be done before its acceptance could be told.
    if (held?.lease.state === "offered") {
      const { lease } = held;
      await this.#options.changes.relaxed((change) => acceptOffer(change, lease, this.#options));
    }
    const answer = await this.#answer(session, held, message);
    if ("awaitsInputsOf" in answer) {
      this.#hold(session, message, answer.awaitsInputsOf);
      return;
    }
    this.#acknowledge(session, message, answer);
    if (answer.isAccepted && message.result.kind === "eval" && held?.lease.evaluation) {
      this.#options.onEvaluated(held.lease.evaluation);
    }
  }

  async #answer(
    session: Session,
    held: HeldLease | null,
    message: Result,
  ): Promise<Answer | AwaitsInputs> {
    const { fencing, result } = message;
    if (held === null && this.#options.leases.get(fencing) !== null) {
      return refused(`assignment ${message.assignment} is not leased to this worker as ${fencing}`);
    }
    if (held !== null && held.lease.kind !== result.kind) {
      return this.#loseToWrongKind(held.lease, message);
    }
    return this.#take(session, message);
  }

  /** An answer is durable when it is sent. The next message does not wait for that. */
  #acknowledge(session: Session, { assignment, fencing }: Result, answer: Answer): void {
    const { flushed } = this.#options;
    const { isAccepted: accepted, reason } = answer;
    this.#behind(session, "answer to a result", () =>
      session.sendAfter(flushed(), { type: "ack", assignment, fencing, accepted, reason }),
    );
  }

  /** What fails ends the session, as it would in its turn: the worker sends again what was not answered when it connects anew. */
  #behind(session: Session, name: string, work: () => Promise<void>): void {
    this.#options.background.run(name, async () => {
      try {
        await work();
      } catch (error) {
        session.link.fail(error);
        throw error;
      }
    });
  }

  #hold(session: Session, message: Result, derivation: number): void {
    const { leases, wake } = this.#options;
    // It takes no room from the builds that it waits for.
    leases.setPhase(message.fencing, "signing");
    wake();
    this.#heldResults.hold(derivation, session, message);
    this.takeHeldResults();
  }

  /** Handles the results that waited for inputs which are shown now. */
  takeHeldResults(): void {
    const { builds } = this.#options;
    const ready = this.#heldResults.takeReady((derivation) =>
      builds.plans.builds.hasUnfinishedInput(derivation),
    );
    for (const { from, message } of ready) {
      this.#behind(from, "result that waited for inputs", () => this.#result(from, message));
    }
  }

  /** The worker forgets the assignment with our answer, so it is given out anew. */
  async #loseToWrongKind(lease: Lease, { fencing, result }: Result): Promise<Answer> {
    const { changes, retries } = this.#options;
    const reason = `assignment ${fencing} is a ${lease.kind}, and the result is of a ${result.kind}`;
    await changes.durable((change) => loseLease(change, lease, reason, retries));
    return refused(reason);
  }

  async #take(session: Session, { fencing, result }: Result): Promise<Answer | AwaitsInputs> {
    const { changes, cachedPaths, retries, builds } = this.#options;
    if (result.kind === "build") {
      const attempt = this.#options.leases.get(fencing)?.lease.attempt ?? null;
      if (attempt !== null) this.#started.remove(attempt);
      const { id: worker, publicKey: workerKey, memoryBytes, maxConcurrentBuilds } = session;
      const memoryShareBytes = memoryBytes / Math.max(1, maxConcurrentBuilds);
      return takeBuildResult(builds, { worker, workerKey, memoryShareBytes, fencing, result });
    }
    return changes.relaxed((change) =>
      answerOnce(change, fencing, session.id, async (lease) => {
        switch (result.kind) {
          case "fetch":
            return takeFetchResult(change, lease, result, { paths: cachedPaths, retries });
          case "eval":
            return takeEvalResult(change, lease, result, retries);
          case "sign":
            return takeSignResult(change, lease, result, {
              workerKey: session.publicKey,
              retries,
            });
          case "restore":
            return this.#options.questions.take(fencing, result);
        }
      }),
    );
  }
}
