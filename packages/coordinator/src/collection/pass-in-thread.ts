import { Worker } from "node:worker_threads";
import type { Database } from "../db/client.ts";
import type { GoneNar } from "../db/collection-repository.ts";
import type { NarRemovals } from "../intake/nar-removals.ts";
import { threadEntry } from "../thread-entry.ts";
import { ThreadReplies } from "../thread-replies.ts";
import type { MakePass } from "./collection.ts";
import type { FromPass, PassThreadData, ToPass } from "./pass-messages.ts";
import type { IsPromised, Release } from "./pass-tools.ts";
import type { PassJob } from "./pass.ts";
import type { Progress } from "./progress.ts";

/** Transactions whose files are still to be removed. */
const MAX_UNFINISHED = 4;

export interface PassSurroundings {
  readonly database: Pick<Database, "file">;
  readonly removals: Pick<NarRemovals, "releaseElsewhere">;
  readonly isPromised: IsPromised;
}

/** Passes that are made in a thread of their own each, with a connection of its own: of the main thread it wants that nobody else writes for a moment, and to know when files may go. */
export function passesInThreads(surroundings: PassSurroundings): MakePass {
  return async (job, { progress, signal }) => {
    signal.throwIfAborted();
    const pass = new PassThread(surroundings, job, progress);
    const stop = (): void => pass.stop();
    signal.addEventListener("abort", stop);
    try {
      await pass.ended;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    signal.throwIfAborted();
  };
}

class PassThread {
  readonly ended: Promise<void>;
  readonly #surroundings: PassSurroundings;
  readonly #progress: Progress;
  readonly #thread: Worker;
  readonly #unfinished = new Set<Promise<void>>();
  readonly #written = new ThreadReplies<readonly GoneNar[]>();
  readonly #unlinked = new ThreadReplies<null>();
  #failure: { readonly error: unknown } | null = null;

  constructor(surroundings: PassSurroundings, job: PassJob, progress: Progress) {
    this.#surroundings = surroundings;
    this.#progress = progress;
    const workerData: PassThreadData = { file: surroundings.database.file, job };
    this.#thread = new Worker(threadEntry("collection/pass-thread.js"), {
      workerData,
      execArgv: [],
    });
    this.#thread.on("message", (message: FromPass) => this.#take(message));
    this.ended = this.#end();
  }

  stop(): void {
    this.#tell({ type: "stop" });
  }

  async #end(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#thread.on("error", (error) => this.#fail(error));
      this.#thread.on("exit", () => resolve());
    });
    // Who is no more would let everybody wait for ever.
    const gone = new Error("the thread of a pass ended in its midst");
    this.#written.end(gone);
    this.#unlinked.end(gone);
    await Promise.all(this.#unfinished);
    if (this.#failure !== null) throw this.#failure.error;
  }

  #take(message: FromPass): void {
    switch (message.type) {
      case "ask":
        this.#answer(message.paths);
        return;
      case "release":
        this.#track(this.#release(message));
        return;
      case "released":
        this.#written.give(message.gone);
        return;
      case "unlinked":
        this.#unlinked.give(null);
        return;
      case "progress":
        Object.assign(this.#progress, message.progress);
        return;
      case "done":
        // One that was stopped may have been about to write.
        this.#written.end(new Error("the pass is over"));
        void Promise.all(this.#unfinished).then(() => this.#tell({ type: "end" }));
    }
  }

  /** Resolves when the files are gone. */
  async #release({ narHashes, paths }: Release): Promise<void> {
    if (this.#unfinished.size >= MAX_UNFINISHED) await Promise.race(this.#unfinished);
    const { finished } = await this.#surroundings.removals.releaseElsewhere(narHashes, {
      remove: () => {
        const gone = this.#written.next();
        this.#answer(paths);
        return gone;
      },
      unlink: async (files) => {
        const done = this.#unlinked.next();
        this.#tell({ type: "unlink", files });
        await done;
      },
    });
    await finished;
  }

  /** What fails ends the pass. */
  #track(release: Promise<void>): void {
    const tracked = release
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#unfinished.delete(tracked));
    this.#unfinished.add(tracked);
  }

  /** The first failure counts. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.stop();
  }

  #answer(paths: readonly string[]): void {
    const promised = paths.filter((path) => this.#surroundings.isPromised(path));
    this.#tell({ type: "answer", promised });
  }

  #tell(message: ToPass): void {
    this.#thread.postMessage(message);
  }
}
