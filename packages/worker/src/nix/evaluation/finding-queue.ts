/** Joins what several tasks find into one stream, in order of arrival. Whoever finds more than is taken has to wait. */
export class FindingQueue<T> {
  readonly #limit: number;
  #items: T[] = [];
  #isEnded = false;
  #failure: { error: unknown } | null = null;
  #wakeReader: () => void = () => undefined;
  #wakeWriters: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when there is room for more. */
  async push(item: T): Promise<void> {
    this.#items.push(item);
    this.#wakeReader();
    if (this.#items.length < this.#limit || this.#isEnded) return;
    await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
  }

  /** What was pushed before is still read. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader();
  }

  /** The reader gets what was pushed before, and then the error. The first one counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.end();
  }

  /** Lets every writer go on; for a reader that has gone. */
  release(): void {
    this.end();
    this.#letWritersGo();
  }

  /** Ends after `end`; throws what `fail` was given, after all that was pushed before. */
  async *read(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      this.#letWritersGo();
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#isEnded) break;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  #letWritersGo(): void {
    const writers = this.#wakeWriters;
    this.#wakeWriters = [];
    for (const resolve of writers) resolve();
  }
}
