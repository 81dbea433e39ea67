import type { Logger } from "../logger.ts";

/** Work that nobody waits for, until the farm closes. A failure is logged and ends nothing else. */
export class Background implements AsyncDisposable {
  readonly #logger: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  run(name: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error: unknown) => {
        this.#logger.error({ err: error, work: name }, "background work failed");
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
