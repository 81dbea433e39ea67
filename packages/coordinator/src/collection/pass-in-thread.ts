import { Worker } from "node:worker_threads";
import type { Database } from "../db/client.ts";
import type { GoneNar } from "../db/collection-repository.ts";
import type { NarRemovals } from "../intake/nar-removals.ts";
import { threadEntry } from "../thread-entry.ts";
import type { MakePass } from "./collection.ts";
import type { FromPass, PassThreadData, ToPass } from "./pass-messages.ts";
import type { IsPromised, Release } from "./pass-tools.ts";
import type { PassJob } from "./pass.ts";
import type { Progress } from "./progress.ts";

/** Transactions whose files are still to be removed. */
const MAX_UNFINISHED = 16;

export interface PassSurroundings {
  readonly database: Pick<Database, "file">;
  readonly removals: Pick<NarRemovals, "releaseElsewhere">;
  readonly isPromised: IsPromised;
}

/** Passes that are made in a thread of their own each, with a connection of its own: of the main thread it wants that nobody else writes for a moment, and that files are removed. */
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
  #failure: { readonly error: unknown } | null = null;
  #released: (gone: readonly GoneNar[]) => void = () => undefined;
  #broken: (error: unknown) => void = () => undefined;
  #isOver = false;

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
    this.#isOver = true;
    this.#broken(new Error("a pass ended while it wrote"));
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
        this.#released(message.gone);
        return;
      case "progress":
        Object.assign(this.#progress, message.progress);
    }
  }

  /** Resolves when the files are gone. */
  async #release({ narHashes, paths }: Release): Promise<void> {
    if (this.#unfinished.size >= MAX_UNFINISHED) await Promise.race(this.#unfinished);
    const { finished } = await this.#surroundings.removals.releaseElsewhere(narHashes, () =>
      this.#write(paths),
    );
    await finished;
  }

  /** Has the thread write, and resolves when that is committed. */
  #write(paths: readonly string[]): Promise<readonly GoneNar[]> {
    return new Promise((resolve, reject) => {
      this.#released = resolve;
      this.#broken = reject;
      // Who is no more would let everybody wait for ever.
      if (this.#isOver) reject(new Error("a pass ended before it wrote"));
      else this.#answer(paths);
    });
  }

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
