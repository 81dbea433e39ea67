import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { hasThreadEntry, threadEntry } from "../thread-entry.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

const ENTRY = "db/checkpoint-thread.js";
/** Pages of 4 KiB that are copied together; as many as SQLite itself lets come together. */
const COPIED_AT_ONCE = 1000;
/** With more of them in the log it is time to let it come to an end: as long as somebody writes, it cannot begin anew. */
const MAX_PAGES = 8000;
const IDLE_MS = 10_000;
/** Megabytes: the thread makes no objects. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

/**
 * Copies what was committed from the log into the database, in a thread with a connection of its own. SQLite would do that in whichever commit makes the
 * log long, for tens of milliseconds in which nothing is answered. The thread is there only while much is written.
 */
export class Checkpoints implements AsyncDisposable {
  readonly #file: string;
  readonly #log: WriteAheadLog;
  #thread: Worker | null = null;
  #running: Promise<void> | null = null;
  /** Pages in the log, as of the last commit here. */
  #written = 0;
  #idle: NodeJS.Timeout | null = null;

  /** `file`: a database that is open. Dispose of this after its connections. */
  constructor(file: string) {
    this.#file = file;
    this.#log = new WriteAheadLog(file);
  }

  /** Whether there is a thread to be had: sources that were never built have none. */
  static get arePossible(): boolean {
    return hasThreadEntry(ENTRY);
  }

  /** To be told after a commit. */
  committed(): void {
    const { written, copied } = this.#log.pages();
    this.#written = written;
    if (written - copied >= COPIED_AT_ONCE) void this.#begin();
  }

  /** Waits, when the log is long, until all of it is copied, so that the next commit begins it anew. To be awaited before a transaction. */
  async room(): Promise<void> {
    if (this.#written < MAX_PAGES) return;
    await this.#running;
    const { written, copied } = this.#log.pages();
    if (written >= MAX_PAGES && copied < written) await this.#begin();
  }

  /** Never rejects: what was not copied now is copied later, and is safe in the log. */
  #begin(): Promise<void> {
    this.#running ??= this.#copy().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #copy(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#thread ??= this.#start();
    const thread = this.#thread;
    // A process that has nothing else to do waits for it.
    thread.ref();
    thread.postMessage("copy");
    const ended = new AbortController();
    const { signal } = ended;
    await Promise.race([once(thread, "message", { signal }), once(thread, "exit", { signal })])
      .catch(() => undefined)
      .finally(() => ended.abort());
    thread.unref();
    this.#idle = setTimeout(() => void this.#stop(), IDLE_MS).unref();
  }

  #start(): Worker {
    const thread = new Worker(threadEntry(ENTRY), {
      workerData: this.#file,
      execArgv: [],
      resourceLimits: THREAD_LIMITS,
    });
    // The last resort is for what goes wrong here, too; the next one is made with a new thread.
    thread.on("error", () => undefined);
    thread.once("exit", () => {
      if (this.#thread === thread) this.#thread = null;
    });
    return thread;
  }

  async #stop(): Promise<void> {
    const thread = this.#thread;
    this.#thread = null;
    if (thread === null) return;
    const exited = once(thread, "exit");
    thread.ref();
    thread.postMessage("end");
    await exited;
  }

  /** Before the connections are closed. */
  async end(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle);
    await this.#running;
    if (this.#idle !== null) clearTimeout(this.#idle);
    await this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.#log[Symbol.dispose]();
  }
}
