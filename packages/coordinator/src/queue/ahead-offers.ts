import type { Fencing } from "@gradient/protocol";
import type { Lease } from "../db/assignment-repository.ts";
import type { Grant } from "../scheduler/demand.ts";
import type { ReadyBuild } from "../scheduler/ready-queue.ts";

/** A build that is offered to the worker that makes its last input. */
export interface AheadOffer {
  readonly lease: Lease;
  /** Row id. */
  readonly build: number;
  /** Lease of the build that makes the input. */
  readonly input: Fencing;
  readonly grant: Grant;
}

/**
 * Offers of builds that still lack an input. As soon as that is built the build is ready, and goes to nobody else before its worker has answered. Only in memory: a coordinator that
 * starts takes all of them back.
 */
export class AheadOffers {
  readonly #byFencing = new Map<Fencing, AheadOffer>();
  readonly #byBuild = new Map<number, AheadOffer>();
  readonly #ready = new Map<Fencing, ReadyBuild>();

  put(offer: AheadOffer): void {
    this.#byFencing.set(offer.lease.fencing, offer);
    this.#byBuild.set(offer.build, offer);
  }

  /** What the worker was told that it may use; null for other leases. */
  grantOf(fencing: Fencing): Grant | null {
    return this.#byFencing.get(fencing)?.grant ?? null;
  }

  /** Null when nobody was offered the build. */
  find({ build }: ReadyBuild): Lease | null {
    return this.#byBuild.get(build)?.lease ?? null;
  }

  /** The build is ready: what was offered is its attempt now. */
  bind(lease: Lease, build: ReadyBuild): Lease {
    this.#ready.set(lease.fencing, build);
    return this.leaseOf(lease, build);
  }

  /** The lease with what it will be about when it is accepted. */
  leaseOf(lease: Lease, { attempt }: ReadyBuild): Lease {
    const reserved = this.grantOf(lease.fencing)?.reserved ?? lease.reserved;
    return { ...lease, attempt, reserved };
  }

  /** Of builds that became ready in a transaction: takes the one that was offered out. Null for other leases, and when it is not among them. */
  claim(fencing: Fencing, ready: ReadyBuild[]): ReadyBuild | null {
    const offer = this.#byFencing.get(fencing);
    const at = ready.findIndex(({ build }) => build === offer?.build);
    return at < 0 ? null : (ready.splice(at, 1)[0] ?? null);
  }

  /** The attempts have ended without having been given out. */
  withdraw(attempts: readonly number[]): void {
    for (const [fencing, { attempt }] of this.#ready)
      if (attempts.includes(attempt)) this.#ready.delete(fencing);
  }

  /** Resolves to the build when it is ready by now. Harmless for other leases. */
  remove(fencing: Fencing): ReadyBuild | null {
    const offer = this.#byFencing.get(fencing);
    if (offer === undefined) return null;
    const ready = this.#ready.get(fencing) ?? null;
    this.#byFencing.delete(fencing);
    this.#ready.delete(fencing);
    if (this.#byBuild.get(offer.build) === offer) this.#byBuild.delete(offer.build);
    return ready;
  }

  /** Of what waits for this lease: the offers whose input is not built. */
  waitingFor(input: Fencing): Lease[] {
    return [...this.#byFencing.values()]
      .filter((offer) => offer.input === input && !this.#ready.has(offer.lease.fencing))
      .map(({ lease }) => lease);
  }
}
