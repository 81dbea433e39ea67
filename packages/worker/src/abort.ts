import type { LimitFunction } from "p-limit";

/** Ends as `work` does, or with the signal's reason as soon as that fires: then `work` goes on for others, and this caller waits no more. */
export async function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Calls `work` when its turn comes. While it waits for that, the signal ends the wait; `work` looks after the signal by itself. */
export async function inTurn<T>(
  lane: LimitFunction,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const run = lane(async () => {
      signal.removeEventListener("abort", onAbort);
      signal.throwIfAborted();
      return work();
    });
    run.then(resolve, reject);
  });
}
