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
 * From the thread. `ask` and `release` are answered; behind the answer to `release` the thread writes, and says `released` when that is committed. `done`: the pass is over, for good
 * or ill, and the thread waits for its end.
 */
export type FromPass =
  | { readonly type: "ask"; readonly paths: readonly string[] }
  | ({ readonly type: "release" } & Release)
  | { readonly type: "released"; readonly gone: readonly GoneNar[] }
  | { readonly type: "unlinked" }
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "done" };

/**
 * To the thread. `answer`: those of the paths that somebody was promised. `unlink`: files to be removed, which is said to be done by `unlinked`. `stop`: nobody wants the pass any more.
 * `end`: nothing follows.
 */
export type ToPass =
  | { readonly type: "answer"; readonly promised: readonly string[] }
  | { readonly type: "unlink"; readonly files: readonly string[] }
  | { readonly type: "stop" }
  | { readonly type: "end" };
