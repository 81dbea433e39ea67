import { performance } from "node:perf_hooks";
import { readActivity } from "../../usage/process-tree.ts";

/** How often a process is looked at within the time that it may do nothing. */
const LOOKS = 10;

/**
 * Git's own protocol and ssh have no limit for a server that accepts and says nothing, as http has: it is looked at whether git, or what it has started, does
 * anything.
 */
export class StallWatch implements Disposable {
  readonly #stalled = new AbortController();
  readonly #limitMs: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Fires when nothing was read, written or computed for as long as that. */
  get signal(): AbortSignal {
    return this.#stalled.signal;
  }

  /** Looks at the process from now on. */
  watch(pid: number): void {
    let activity = "";
    let changedAt = performance.now();
    this.#timer = setInterval(() => {
      const now = readActivity("/proc", pid);
      // A process that cannot be looked at is not taken for idle.
      if (now !== activity || now === "") changedAt = performance.now();
      else if (performance.now() - changedAt >= this.#limitMs) this.#stalled.abort();
      activity = now;
    }, this.#limitMs / LOOKS);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}
