/** Wakes everybody who waits for something to happen, each time that it may have happened. */
export class Bell {
  #waiting = new Set<() => void>();
  #rings = 0;

  /** How often it has rung. */
  get rings(): number {
    return this.#rings;
  }

  /** Whoever waits now is woken, and whoever begins to wait later waits for the next time. */
  ring(): void {
    const woken = this.#waiting;
    this.#waiting = new Set();
    this.#rings += 1;
    for (const wake of woken) wake();
  }

  /** Resolves at the next ring, or after so many milliseconds. */
  next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      timer.unref();
      this.#waiting.add(wake);
    });
  }
}
