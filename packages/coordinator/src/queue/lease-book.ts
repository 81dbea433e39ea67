import type { AssignmentId, Fencing, Phase, WorkerId } from "@gradient/protocol";
import type { Lease } from "../db/assignment-repository.ts";

/** A lease as it is kept in memory, with what only memory has to know. */
export interface HeldLease {
  readonly lease: Lease;
  /** Last phase that the worker reported; null before the first. */
  readonly phase: Phase | null;
}

/** All leases, as the database has them: changed after each commit. Answers the questions that every message asks. */
export class LeaseBook {
  readonly #byFencing = new Map<Fencing, HeldLease>();
  readonly #byAssignment = new Map<string, Fencing>();
  readonly #byWorker = new Map<WorkerId, Set<Fencing>>();

  get(fencing: Fencing): HeldLease | null {
    return this.#byFencing.get(fencing) ?? null;
  }

  findByAssignment(assignment: AssignmentId): HeldLease | null {
    const fencing = this.#byAssignment.get(assignment);
    return fencing === undefined ? null : this.get(fencing);
  }

  *ofWorker(worker: WorkerId): Generator<HeldLease> {
    for (const fencing of this.#byWorker.get(worker) ?? []) {
      const held = this.#byFencing.get(fencing);
      if (held !== undefined) yield held;
    }
  }

  /** Adds a lease, or what changed of it. */
  put(lease: Lease): void {
    const phase = this.#byFencing.get(lease.fencing)?.phase ?? null;
    this.#byFencing.set(lease.fencing, { lease, phase });
    this.#byAssignment.set(lease.assignment, lease.fencing);
    const ofWorker = this.#byWorker.get(lease.worker) ?? new Set<Fencing>();
    ofWorker.add(lease.fencing);
    this.#byWorker.set(lease.worker, ofWorker);
  }

  /** How many there are, by kind. */
  countByKind(): Record<Lease["kind"], number> {
    const counts = { fetch: 0, eval: 0, build: 0, sign: 0, restore: 0 };
    for (const { lease } of this.#byFencing.values()) counts[lease.kind] += 1;
    return counts;
  }

  /** As the worker tells it; only memory has it. */
  setPhase(fencing: Fencing, phase: Phase): void {
    const held = this.#byFencing.get(fencing);
    if (held !== undefined) this.#byFencing.set(fencing, { ...held, phase });
  }

  /** Harmless for one that is gone. */
  remove(fencing: Fencing): void {
    const held = this.#byFencing.get(fencing);
    if (held === undefined) return;
    this.#byFencing.delete(fencing);
    this.#byAssignment.delete(held.lease.assignment);
    const ofWorker = this.#byWorker.get(held.lease.worker);
    ofWorker?.delete(fencing);
    if (ofWorker?.size === 0) this.#byWorker.delete(held.lease.worker);
  }
}
