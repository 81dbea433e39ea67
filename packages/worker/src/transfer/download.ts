/** A stream that was begun, and remembers whether it failed by itself: whoever reads it may tell that in other words. */
export class Download {
  failure: { error: unknown } | null = null;
  readonly #source: AsyncIterator<Uint8Array, void>;
  #first: IteratorResult<Uint8Array, void> | null = null;

  constructor(source: AsyncIterator<Uint8Array, void>) {
    this.#source = source;
  }

  /** Waits for the first bytes, so that a stream does not have to be waited for where only one can be read at a time. */
  async begin(): Promise<void> {
    this.#first = await this.#next();
  }

  /** From the first byte on, once. */
  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    let next = this.#first ?? (await this.#next());
    while (next.done !== true) {
      yield next.value;
      next = await this.#next();
    }
  }

  /** Lets go of the connection, also in the middle. */
  async end(): Promise<void> {
    await this.#source.return?.();
  }

  async #next(): Promise<IteratorResult<Uint8Array, void>> {
    try {
      return await this.#source.next();
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}
