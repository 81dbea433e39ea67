import type { Clock } from "../clock.ts";
import {
  deleteAnswersBefore,
  extendLeases,
  findExpiredLeases,
  findLease,
  isAhead,
  type Lease,
} from "../db/assignment-repository.ts";
import { findDueRetries } from "../db/build-repository.ts";
import type { Queries } from "../db/client.ts";
import { deleteHookDeliveriesBefore } from "../db/integration-repository.ts";
import { deletePossessionsBefore } from "../db/nar-possession-repository.ts";
import { restartBuilds, type RetryPolicy } from "../builds/verdict.ts";
import type { Logger } from "../logger.ts";
import type { Change, ChangeFacts } from "./change.ts";
import { loseLease } from "./lose-lease.ts";

/** A sweep that comes later than so many intervals was held up by more than load. */
const MAX_LATE_SWEEPS = 5;
const HOUR_MS = 3600 * 1000;
/** Recorded answers are kept longer than any worker holds a result back. */
const ANSWERS_KEPT_MS = 7 * 24 * HOUR_MS;
/** A worker that is away for longer begins its upload anew. */
const STAGED_KEPT_MS = 24 * HOUR_MS;

export interface SweepOptions {
  readonly kysely: Queries;
  readonly changes: ChangeFacts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retries: RetryPolicy;
  readonly leaseMs: number;
  readonly offerMs: number;
  readonly intervalMs: number;
  /** Ends evaluations whose client has gone. */
  readonly endDeserted: (now: number) => Promise<void>;
  /** A worker did not answer an offer in time. */
  readonly onUnanswered: (lease: Lease) => void;
  /** Removes uploads that broke off before that time. */
  readonly removeStaged: (before: number) => Promise<void>;
  /** Removes sources of clients that nobody has used for long. */
  readonly cleanSources: (now: number) => Promise<void>;
  /** Called every hour: begins to remove the evaluations that projects do not keep. */
  readonly forgetOld: () => void;
  /** Called after each sweep: something that had to wait for a time may be due. */
  readonly wake: () => void;
}

/** Looks at regular intervals for what has run out or come due: leases, offers, further attempts. */
export class Sweep implements AsyncDisposable {
  readonly #options: SweepOptions;
  #timer: Disposable | null = null;
  #running: Promise<void> | null = null;
  /** Its time has come while the last one still ran. */
  #isDue = false;
  #cleaning: Promise<void> = Promise.resolve();
  #lastAt: number;
  #cleanedAt = 0;

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#lastAt = options.clock.now();
    this.#arm();
  }

  /** One sweep, now. */
  async run(): Promise<void> {
    const { kysely, changes, clock, leaseMs, offerMs, intervalMs, wake, endDeserted, forgetOld } =
      this.#options;
    const now = clock.now();
    const sinceLastMs = now - this.#lastAt;
    this.#lastAt = now;
    if (sinceLastMs > Math.max(leaseMs / 2, MAX_LATE_SWEEPS * intervalMs)) {
      // This process itself stood still (a suspended machine, a debugger): nobody could renew.
      await extendLeases(kysely, "accepted", now + leaseMs);
      await extendLeases(kysely, "offered", now + offerMs);
    }
    for (const lease of await findExpiredLeases(kysely, now)) {
      await changes((change) => this.#expire(change, lease));
    }
    const due = await findDueRetries(kysely, now);
    if (due.length > 0) await changes((change) => restartBuilds(change, due));
    await endDeserted(now);
    wake();
    if (now - this.#cleanedAt > HOUR_MS) {
      this.#cleanedAt = now;
      this.#cleaning = this.#clean(now);
      forgetOld();
    }
  }

  /** What was accepted or renewed since it was found is kept. */
  async #expire(change: Change, { fencing, worker }: Lease): Promise<void> {
    const { logger, leaseMs, retries, onUnanswered } = this.#options;
    const lease = await findLease(change.kysely, fencing, worker);
    if (lease === null || lease.expiresAt > change.now) return;
    if (!isAhead(lease)) logger.warn({ lease }, "a lease or an offer ran out");
    if (lease.state === "offered" && !isAhead(lease)) onUnanswered(lease);
    const reason = `worker ${worker} was lost: it did not answer for ${Math.round(leaseMs / 1000)} s`;
    await loseLease(change, lease, reason, retries);
  }

  /** Leases do not wait for it. */
  async #clean(now: number): Promise<void> {
    const { kysely, removeStaged, cleanSources, logger } = this.#options;
    try {
      await deleteAnswersBefore(kysely, now - ANSWERS_KEPT_MS);
      await deletePossessionsBefore(kysely, now - ANSWERS_KEPT_MS);
      await deleteHookDeliveriesBefore(kysely, now - ANSWERS_KEPT_MS);
      await removeStaged(now - STAGED_KEPT_MS);
      await cleanSources(now);
    } catch (error) {
      logger.error({ err: error }, "what is kept for a while could not be removed");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#isDue = false;
    await this.#running;
    await this.#cleaning;
  }

  #arm(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.after(intervalMs, () => {
      this.#arm();
      this.#isDue = true;
      this.#running ??= this.#runWhileDue();
    });
  }

  async #runWhileDue(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      await this.run().catch((error: unknown) => {
        this.#options.logger.error({ err: error }, "a sweep failed; the next one tries again");
      });
    }
    this.#running = null;
  }
}
