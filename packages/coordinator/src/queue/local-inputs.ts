import type { Fencing, WorkerId } from "@gradient/protocol";

/** Outputs of one lease that nobody but its worker has yet, with the builds (row ids) that use them. */
export interface LocalOutputs {
  readonly fencing: Fencing;
  readonly worker: WorkerId;
  readonly users: readonly number[];
}

/**
 * Builds whose inputs are still being uploaded. Whoever made an input has it already; everybody else would hold a slot and wait. Only in memory: after a restart
 * of the coordinator others may be asked, and wait.
 */
export class LocalInputs {
  readonly #byFencing = new Map<Fencing, LocalOutputs>();
  /** For each build, who makes its inputs that are not uploaded. */
  readonly #makers = new Map<number, Map<Fencing, WorkerId>>();

  add(outputs: LocalOutputs): void {
    const { fencing, worker, users } = outputs;
    this.#byFencing.set(fencing, outputs);
    for (const build of users) {
      const makers = this.#makers.get(build) ?? new Map<Fencing, WorkerId>();
      makers.set(fencing, worker);
      this.#makers.set(build, makers);
    }
  }

  /** They are uploaded, or nobody uploads them any more. False for a lease that is not known. */
  remove(fencing: Fencing): boolean {
    for (const build of this.#byFencing.get(fencing)?.users ?? []) {
      const makers = this.#makers.get(build);
      makers?.delete(fencing);
      if (makers?.size === 0) this.#makers.delete(build);
    }
    return this.#byFencing.delete(fencing);
  }

  /** Whether the worker need not wait for an upload before it builds this. */
  isReachable(build: number, worker: WorkerId): boolean {
    for (const maker of this.#makers.get(build)?.values() ?? []) if (maker !== worker) return false;
    return true;
  }
}
