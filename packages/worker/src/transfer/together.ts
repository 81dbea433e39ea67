import { setMaxListeners } from "node:events";
import type { TransferScope } from "./client.ts";

/**
 * Does the same with all items at once. The first failure ends the others, and is told when nothing of them goes on any more:
 * who fails for one of a thousand need not wait for the rest.
 */
export async function together<T>(
  scope: TransferScope,
  items: readonly T[],
  work: (item: T, scope: TransferScope) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([scope.signal, stop.signal]);
  setMaxListeners(0, signal);
  const { assignment, traffic } = scope;
  const all = items.map(async (item) => work(item, { assignment, traffic, signal }));
  try {
    await Promise.all(all);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(all);
    scope.signal.throwIfAborted();
    throw error;
  }
}
