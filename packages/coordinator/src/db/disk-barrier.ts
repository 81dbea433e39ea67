/** Makes writes durable, many at a time: whoever comes while the disk is being written waits for the next turn, and shares it with all others who came. */
export class DiskBarrier {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  /** `sync` makes everything durable that was written before it is called. */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** Resolves when everything that was written before the call is durable. */
  passed(): Promise<void> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<void> {
    // A write that has begun may have missed what was written since.
    await this.#running?.catch(() => undefined);
    this.#next = null;
    this.#running = this.#sync();
    await this.#running;
  }
}
