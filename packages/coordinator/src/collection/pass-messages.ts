import type { GoneNar } from "../db/collection-repository.ts";
import type { PassJob } from "./pass.ts";
import type { Release } from "./pass-tools.ts";
import type { Progress } from "./progress.ts";

/** What is told between the thread that makes a pass and the main thread. The former asks for one thing at a time. */

/** `workerData` of the thread. */
export interface PassThreadData {
  /** The database. */
  readonly file: string;
  readonly job: PassJob;
}

/**
 * From the thread. `ask` and `release` are answered; behind the answer to `release` the thread writes, and says `released` when that is committed. It ends when the pass has, or
 * with an error.
 */
export type FromPass =
  | { readonly type: "ask"; readonly paths: readonly string[] }
  | ({ readonly type: "release" } & Release)
  | { readonly type: "released"; readonly gone: readonly GoneNar[] }
  | { readonly type: "progress"; readonly progress: Progress };

/** To the thread. `answer`: those of the paths that somebody was promised. `stop`: nobody wants the pass any more. */
export type ToPass =
  | { readonly type: "answer"; readonly promised: readonly string[] }
  | { readonly type: "stop" };
