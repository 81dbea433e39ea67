import type { Clock } from "../clock.ts";
import { refuseImpossible } from "../builds/refuse-impossible.ts";
import type { Background } from "../queue/background.ts";
import type { ChangeFacts } from "../queue/change.ts";
import type { Draining } from "../queue/draining.ts";
import { membersOf, type Fleet } from "../queue/fleet.ts";
import type { LeaseBook } from "../queue/lease-book.ts";
import { isQualified } from "../scheduler/choose-worker.ts";
import type { ReadyQueue } from "../scheduler/ready-queue.ts";
import type { FleetMember } from "../scheduler/waiting-reason.ts";
import { reviewWaiting } from "./review-waiting.ts";

export interface WaitingReviewOptions {
  readonly changes: ChangeFacts;
  readonly clock: Clock;
  readonly background: Background;
  readonly fleet: Fleet;
  readonly draining: Readonly<Draining>;
  readonly leases: LeaseBook;
  readonly queue: ReadyQueue;
  /** A worker that is gone for a shorter time parks nothing. */
  readonly graceMs: number;
  /** What the NARs of all caches may take; 0 for no limit. */
  readonly maxStorageBytes: number;
}

/** Decides when evaluations are looked at that nobody may be able to go on with. */
export class WaitingReview implements Disposable {
  readonly #options: WaitingReviewOptions;
  #timer: Disposable | null = null;
  #isClosed = false;

  constructor(options: WaitingReviewOptions) {
    this.#options = options;
  }

  /** After the grace period, once for however many calls. */
  soon(): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = this.#options.clock.after(this.#options.graceMs, () => {
      this.#timer = null;
      if (!this.#isClosed)
        this.#options.background.run("review of waiting evaluations", () => this.now());
    });
  }

  /** Of one organization, or of all. When it fails, all are looked at again soon: what waits would wait for the next worker that comes. */
  async now(organization?: string): Promise<void> {
    try {
      await this.#review(organization);
    } catch (error) {
      this.soon();
      throw error;
    }
  }

  async #review(organization: string | undefined): Promise<void> {
    const { changes, fleet, leases, maxStorageBytes, draining } = this.#options;
    await changes(async (change) => {
      const members = membersOf(fleet, leases);
      const seats = members.map(({ seat }) => seat);
      await refuseImpossible(change, this.#options.queue, seats);
      await reviewWaiting(
        change,
        {
          members,
          stuck: this.#stuckOrganizations(members),
          isDraining: draining.isOn,
          maxStorageBytes,
        },
        organization,
      );
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** Organizations with a ready build that no connected worker could take. */
  #stuckOrganizations(members: readonly FleetMember[]): Set<string> {
    const stuck = new Set<string>();
    for (const group of this.#options.queue.groups()) {
      if (!members.some(({ seat }) => isQualified(seat, group))) stuck.add(group.organization);
    }
    return stuck;
  }
}
