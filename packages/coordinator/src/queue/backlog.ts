import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";

const PAUSE_AFTER_FAILURE_MS = 60_000;

/** One bounded step of work that the database remembers. False when there is nothing to do. */
export type BacklogStep = () => Promise<boolean>;

/** Work for which nobody waits and that survives a restart: done step by step, as long as there is some. */
export class Backlog implements AsyncDisposable {
  readonly #steps: readonly BacklogStep[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #running: Promise<void> | null = null;
  #isWoken = false;
  #isClosed = false;
  #retry: Disposable | null = null;

  constructor(options: { steps: readonly BacklogStep[]; clock: Clock; logger: Logger }) {
    this.#steps = options.steps;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Something was added. */
  wake(): void {
    this.#isWoken = true;
    if (this.#isClosed) return;
    this.#running ??= this.#run();
  }

  /** Resolves when there is nothing left to do now. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#retry?.[Symbol.dispose]();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWoken && !this.#isClosed) {
        this.#isWoken = false;
        for (const step of this.#steps) await this.#finish(step);
      }
    } finally {
      this.#running = null;
    }
  }

  async #finish(step: BacklogStep): Promise<void> {
    try {
      while (!this.#isClosed && (await step())) await turn();
    } catch (error) {
      this.#logger.error({ err: error }, "work in the background failed; it is tried again");
      this.#retry?.[Symbol.dispose]();
      this.#retry = this.#clock.after(PAUSE_AFTER_FAILURE_MS, () => this.wake());
    }
  }
}

/** Lets everything else that waits go first. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
