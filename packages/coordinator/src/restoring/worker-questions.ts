import {
  assignmentIdSchema,
  type Fencing,
  type OrganizationId,
  type RestoreResult,
  type RestoreSpec,
} from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import type { Clock } from "../clock.ts";
import { deleteLease, insertLease, type Answer, type Lease } from "../db/assignment-repository.ts";
import { ACCEPTED } from "../queue/answer.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { ConnectedWorker, Fleet } from "../queue/fleet.ts";

/** What one worker is asked for, on behalf of one organization that may see it. */
export interface Question {
  readonly worker: ConnectedWorker;
  readonly organization: OrganizationId;
  readonly spec: RestoreSpec;
  /** From the offer to the answer. */
  readonly deadlineMs: number;
}

/** What came of it. A worker that did not answer is not asked for more. */
export type Reply =
  | { readonly isAnswered: true; readonly result: RestoreResult }
  | { readonly isAnswered: false; readonly reason: string };

interface OpenQuestion {
  readonly lease: Lease;
  result: RestoreResult | null;
  /** Runs while the worker is not connected. */
  away: Disposable | null;
  readonly settle: (reply: Reply) => void;
}

export interface WorkerQuestionsOptions {
  readonly changes: ChangeFacts;
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly leaseMs: number;
  readonly offerMs: number;
  /** A worker that is gone for a shorter time is waited for. */
  readonly awayMs: number;
}

/** Assignments of the kind `restore`: whoever asks waits for the answer, and nothing of it outlives this process. */
export class WorkerQuestions {
  readonly #options: WorkerQuestionsOptions;
  readonly #open = new Map<Fencing, OpenQuestion>();

  constructor(options: WorkerQuestionsOptions) {
    this.#options = options;
  }

  /** Resolves when the worker has answered, is lost, or the time is over; rejects with the signal's reason. */
  async ask(question: Question, signal: AbortSignal): Promise<Reply> {
    const { worker, spec, organization, deadlineMs } = question;
    const { fleet, clock, leaseMs } = this.#options;
    const lease = await this.#offer(question);
    const { assignment, fencing } = lease;
    const replied = new Promise<Reply>((settle) => {
      this.#open.set(fencing, { lease, result: null, away: null, settle });
    });
    const onAbort = (): void => this.#giveUp(fencing, "the check was stopped");
    signal.addEventListener("abort", onAbort);
    using _deadline = clock.after(deadlineMs, () => {
      this.#giveUp(fencing, `it was not done within ${Math.round(deadlineMs / 1000)} s`);
    });
    try {
      const offer = { assignment, fencing, organization, leaseMs, spec };
      fleet.find(worker.id)?.send({ type: "offer", ...offer });
      this.fleetChanged();
      if (signal.aborted) onAbort();
      const reply = await replied;
      signal.throwIfAborted();
      return reply;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A worker has answered. Called under its lease; whoever waits is told when that is committed. */
  take(fencing: Fencing, result: RestoreResult): Answer {
    const open = this.#open.get(fencing);
    if (open !== undefined) open.result = result;
    return ACCEPTED;
  }

  /** The lease is gone: answered, declined or lost. */
  released(fencing: Fencing): void {
    const result = this.#open.get(fencing)?.result ?? null;
    if (result === null) this.#settle(fencing, "it did not take the assignment, or lost it");
    else if (result.failure !== null) this.#settle(fencing, result.failure.message);
    else this.#close(fencing)?.settle({ isAnswered: true, result });
  }

  /** Somebody came or went. */
  fleetChanged(): void {
    const { clock, fleet, awayMs } = this.#options;
    for (const [fencing, open] of this.#open) {
      if (fleet.find(open.lease.worker) !== null) {
        open.away?.[Symbol.dispose]();
        open.away = null;
      } else {
        open.away ??= clock.after(awayMs, () =>
          this.#giveUp(fencing, "it is not connected any more"),
        );
      }
    }
  }

  #offer({ worker, organization }: Question): Promise<Lease> {
    const { changes, offerMs } = this.#options;
    return changes(async ({ kysely, now, news }) => {
      const about = { kind: "restore", evaluation: null, attempt: null, reserved: null } as const;
      const lease = {
        ...about,
        assignment: assignmentIdSchema.parse(uuidv7()),
        organization,
        worker: worker.id,
        epoch: worker.epoch,
        expiresAt: now + offerMs,
      };
      const made = await insertLease(kysely, lease, now);
      news.offered.push(made);
      return made;
    });
  }

  #giveUp(fencing: Fencing, reason: string): void {
    const open = this.#open.get(fencing);
    if (open === undefined) return;
    const { lease } = open;
    // Told of the failure of the database, if there is one, by the next question.
    void this.#options
      .changes(async ({ kysely, news }) => {
        await deleteLease(kysely, fencing);
        news.cancelled.push({ lease, reason });
        news.released.push(fencing);
      })
      .catch(() => undefined)
      .finally(() => this.#settle(fencing, reason));
  }

  #settle(fencing: Fencing, reason: string): void {
    this.#close(fencing)?.settle({ isAnswered: false, reason });
  }

  #close(fencing: Fencing): OpenQuestion | undefined {
    const open = this.#open.get(fencing);
    this.#open.delete(fencing);
    open?.away?.[Symbol.dispose]();
    return open;
  }
}
