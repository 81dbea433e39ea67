/** Wakes everybody who waits for something to happen, each time that it may have happened. */
export class Bell {
  #ringing = new AbortController();
  #rings = 0;

  /** How often it has rung. */
  get rings(): number {
    return this.#rings;
  }

  /** Whoever waits now is woken, and whoever begins to wait later waits for the next time. */
  ring(): void {
    const rung = this.#ringing;
    this.#ringing = new AbortController();
    this.#rings += 1;
    rung.abort();
  }

  /** Resolves at the next ring, or after so many milliseconds. */
  next(timeoutMs: number): Promise<void> {
    const { signal } = this.#ringing;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(), timeoutMs);
      timer.unref();
      signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}
