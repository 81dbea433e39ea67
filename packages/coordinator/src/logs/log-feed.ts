/** How far a log has come, and who waits for more of it. */
export class LogFeed {
  #size: number;
  #isFinished = false;
  readonly #waiting = new Set<() => void>();
  followers = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Bytes. */
  get size(): number {
    return this.#size;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** So many bytes more are on the disk. */
  grow(bytes: number): void {
    this.#size += bytes;
    this.#wake();
  }

  /** Nothing comes any more: whoever waits is told. */
  finish(): void {
    this.#isFinished = true;
    this.#wake();
  }

  /** Waits for the next growth or the end. Rejects with the signal's reason. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(asError(signal.reason));
        return;
      }
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.delete(wake);
        reject(asError(signal.reason));
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("stopped", { cause: reason });
}
