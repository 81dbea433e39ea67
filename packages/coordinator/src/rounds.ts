import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** Does something again and again, never twice at a time. A round that fails is logged and followed by the next. */
export class Rounds implements AsyncDisposable {
  readonly #options: RoundsOptions;
  #timer: Disposable | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#arm();
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
    const { clock, intervalMs, run, name, logger } = this.#options;
    this.#timer = clock.after(intervalMs, () => {
      this.#running = run()
        .catch((error: unknown) => logger.error({ err: error, rounds: name }, "a round failed"))
        .finally(() => this.#arm());
    });
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
