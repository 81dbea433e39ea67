import { setImmediate as nextTurn } from "node:timers/promises";

/** Longest time that a piece of heavy work keeps everything else waiting. */
const MAX_TURN_MS = 2;

/** Lets a long computation on the main thread give way: await `giveWay` after each step. */
export class Turns {
  #turnStartedAt = performance.now();

  /** Waits for the next turn of the event loop when this one has lasted long enough. */
  async giveWay(): Promise<void> {
    if (performance.now() - this.#turnStartedAt < MAX_TURN_MS) return;
    await nextTurn();
    this.#turnStartedAt = performance.now();
  }
}
