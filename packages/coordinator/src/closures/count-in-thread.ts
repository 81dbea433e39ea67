import { Worker } from "node:worker_threads";
import type { ClosureSizes, DueEvaluation } from "../db/closure-size-repository.ts";
import { threadEntry } from "../thread-entry.ts";

/** `workerData` of the thread. */
export interface ClosureThreadData {
  /** The database. */
  readonly file: string;
  readonly evaluation: DueEvaluation;
}

/** What the thread says at its end. */
export interface CountedClosures {
  /** Of all derivations together. */
  readonly whole: ClosureSizes;
  /** Of those that were not counted yet: lists of `DerivationClosure` as JSON, each short enough for one statement. */
  readonly derivations: readonly string[];
}

/** Counts the closures of an evaluation in a thread of its own; null when `signal` ends it. Rejects with what went wrong there. */
export async function countInThread(
  data: ClosureThreadData,
  signal: AbortSignal,
): Promise<CountedClosures | null> {
  if (signal.aborted) return null;
  const thread = new Worker(threadEntry("closures/closure-thread.js"), {
    workerData: data,
    execArgv: [],
  });
  const stop = (): void => void thread.terminate();
  signal.addEventListener("abort", stop);
  try {
    return await new Promise((resolve, reject) => {
      thread.on("message", resolve);
      thread.on("error", reject);
      thread.on("exit", () => {
        if (signal.aborted) resolve(null);
        else reject(new Error(`the thread that counts closures of ${data.evaluation.id} ended`));
      });
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
