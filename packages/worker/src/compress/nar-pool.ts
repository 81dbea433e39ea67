import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { WorkerError } from "../errors.ts";
import { CANCELLED, CREDITS, type ThreadJob, type ThreadMessage } from "./thread-messages.ts";

/** Chunks of 256 KiB that a thread may be ahead of the socket. */
const CHUNKS_AHEAD = 8;

/** Threads that turn store paths into compressed NARs. Started when they are first needed, and kept. */
export class NarPool implements AsyncDisposable {
  /** Threads at most. */
  readonly size: number;
  readonly #threads = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.size = size;
  }

  /**
   * The compressed NAR of what lies at `path`, as it is made; the thread stands still while chunks are not taken.
   * Throws a WorkerError when the tree cannot be read or has not the given size.
   */
  async *compress(source: {
    path: string;
    narSize: number;
  }): AsyncGenerator<Uint8Array, void, undefined> {
    const thread = await this.#acquire();
    const job = new RunningJob(thread, source);
    try {
      yield* job.chunks();
    } finally {
      await this.#release(thread, await job.end());
    }
  }

  /** Starts the first thread. */
  prepare(): void {
    if (this.#threads.size > 0) return;
    try {
      this.#idle.push(this.#start());
    } catch {
      // Told to whoever needs one.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
    this.#threads.clear();
  }

  async #acquire(): Promise<Worker> {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle) return idle;
      if (this.#threads.size < this.size) return this.#start();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #release(thread: Worker, isUsable: boolean): Promise<void> {
    if (isUsable) {
      this.#idle.push(thread);
    } else {
      this.#threads.delete(thread);
      await thread.terminate();
    }
    this.#waiting.shift()?.();
  }

  #start(): Worker {
    // Flags of the process (a test runner's export conditions) are not for compiled code.
    const thread = new Worker(threadEntry(), { execArgv: [] });
    // Idle threads do not keep the process; whoever reads a job's chunks does.
    thread.unref();
    // Told to whoever uses it.
    thread.on("error", () => {});
    thread.once("exit", () => this.#forget(thread));
    this.#threads.add(thread);
    return thread;
  }

  #forget(thread: Worker): void {
    this.#threads.delete(thread);
    const at = this.#idle.indexOf(thread);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

/** The compiled entry: beside this file, or, when this runs as TypeScript, where the compiler puts it. */
function threadEntry(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  const entry = new URL(
    isSource ? "../../dist/compress/nar-thread.js" : "./nar-thread.js",
    import.meta.url,
  );
  if (!existsSync(entry)) {
    throw new WorkerError("not-built", `${entry.pathname} is missing: run 'npm run build' first`);
  }
  return entry;
}

class RunningJob {
  readonly #thread: Worker;
  readonly #path: string;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #chunks: Uint8Array[] = [];
  #end: { failure: WorkerError | null; isThreadUsable: boolean } | null = null;
  #wake: () => void = () => undefined;

  constructor(thread: Worker, { path, narSize }: { path: string; narSize: number }) {
    this.#thread = thread;
    this.#path = path;
    Atomics.store(this.#control, CREDITS, CHUNKS_AHEAD);
    thread.on("message", this.#onMessage);
    thread.on("error", this.#onError);
    thread.on("exit", this.#onExit);
    thread.postMessage({ path, narSize, control: this.#control } satisfies ThreadJob);
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        Atomics.add(this.#control, CREDITS, 1);
        Atomics.notify(this.#control, CREDITS);
        yield chunk;
      } else if (this.#end) {
        if (this.#end.failure) throw this.#end.failure;
        return;
      } else {
        await this.#something();
      }
    }
  }

  /** Cancels what still runs. Resolves, when the thread is done with the job, to whether it can take another. */
  async end(): Promise<boolean> {
    Atomics.store(this.#control, CANCELLED, 1);
    Atomics.notify(this.#control, CREDITS);
    while (!this.#end) await this.#something();
    this.#thread.off("message", this.#onMessage);
    this.#thread.off("error", this.#onError);
    this.#thread.off("exit", this.#onExit);
    return this.#end.isThreadUsable;
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #finish(failure: WorkerError | null, isThreadUsable: boolean): void {
    this.#end ??= { failure, isThreadUsable };
    this.#wake();
  }

  #onMessage = (message: ThreadMessage): void => {
    if (message.type === "chunk") {
      this.#chunks.push(message.bytes);
      this.#wake();
    } else if (message.type === "done") {
      this.#finish(null, true);
    } else {
      const text = `cannot make a NAR of ${this.#path}: ${message.message}`;
      this.#finish(new WorkerError("nar-unreadable", text), true);
    }
  };

  #onError = (cause: unknown): void => {
    const text = `the compression thread failed on ${this.#path}`;
    this.#finish(new WorkerError("thread-failed", text, { cause, isTransient: true }), false);
  };

  #onExit = (): void => {
    const text = `the compression thread ended while it read ${this.#path}`;
    this.#finish(new WorkerError("thread-failed", text, { isTransient: true }), false);
  };
}
