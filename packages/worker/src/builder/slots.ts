import type { BuildSlot } from "../ports.ts";
import { Lane } from "../jobs/lane.ts";

/** The worker's build slots. Each is opened when it is first needed, and kept. */
export class BuildSlots implements AsyncDisposable {
  readonly #open: () => BuildSlot;
  readonly #lane: Lane;
  readonly #idle: BuildSlot[] = [];
  readonly #all = new Set<BuildSlot>();

  constructor(count: number, open: () => BuildSlot) {
    this.#open = open;
    this.#lane = new Lane(count);
  }

  /** Waits for a slot, uses it, gives it back. Rejects with the signal's reason when that fires while it waits. */
  use<T>(signal: AbortSignal, work: (slot: BuildSlot) => Promise<T>): Promise<T> {
    return this.#lane.run(signal, async () => {
      const slot = this.#take();
      try {
        const result = await work(slot);
        this.#idle.push(slot);
        return result;
      } catch (error) {
        // A slot that failed may be in any state.
        this.#all.delete(slot);
        await slot[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((slot) => slot[Symbol.asyncDispose]()));
  }

  #take(): BuildSlot {
    const idle = this.#idle.pop();
    if (idle) return idle;
    const slot = this.#open();
    this.#all.add(slot);
    return slot;
  }
}
