import pLimit from "p-limit";

/** Lets so many pieces of work run at a time, the others wait in order. */
export class Lane {
  readonly #limit: ReturnType<typeof pLimit>;

  constructor(width: number) {
    this.#limit = pLimit(width);
  }

  /** Rejects with the signal's reason as soon as that fires while the work waits; once it runs, the work itself minds the signal. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#limit(async () => {
        signal.removeEventListener("abort", onAbort);
        if (!signal.aborted) resolve(await work());
      }).catch(reject);
    });
  }
}
