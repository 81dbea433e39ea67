import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** Does something again and again, never twice at a time. A round that fails is logged and followed by the next. */
export class Rounds implements AsyncDisposable {
  readonly #options: RoundsOptions;
  #timer: Disposable | null = null;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  /** Another round is to follow the one that runs. */
  #isWanted = false;
  #isClosed = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#arm();
  }

  /** A round now, or as soon as the one that runs is over. */
  wake(): void {
    if (this.#isRunning) {
      this.#isWanted = true;
      return;
    }
    this.#timer?.[Symbol.dispose]();
    this.#start();
  }

  /** Resolves when no round is under way, and the next one has its time. */
  idle(): Promise<void> {
    return this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#running;
  }

  #arm(): void {
    if (this.#isClosed) return;
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.after(intervalMs, () => this.#start());
  }

  #start(): void {
    if (this.#isClosed) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { run, name, logger } = this.#options;
    this.#isRunning = true;
    do {
      this.#isWanted = false;
      try {
        await run();
      } catch (error) {
        logger.error({ err: error, rounds: name }, "a round failed");
        // At its time, and not at once.
        this.#isWanted = false;
      }
    } while (this.#isWanted && !this.#isClosed);
    this.#isRunning = false;
    this.#arm();
  }
}

export interface RoundsOptions {
  /** For the log. */
  readonly name: string;
  /** From the end of a round to the beginning of the next. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly run: () => Promise<void>;
}
