const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Turns the first signal into an abort, so that what runs is ended properly. The second ends the process at once: what it built with ends as
 * its pipes close.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #onSecond: () => void;
  readonly #listener: (signal: NodeJS.Signals) => void;

  /** `onSecond` leaves the terminal as it was. */
  constructor(onSecond: () => void) {
    this.#onSecond = onSecond;
    this.#listener = (signal) => this.#take(signal);
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }

  #take(signal: NodeJS.Signals): void {
    if (!this.#controller.signal.aborted) {
      this.#controller.abort();
      return;
    }
    this.#onSecond();
    this[Symbol.dispose]();
    process.kill(process.pid, signal);
  }
}
