/**
 * Brings texts of several producers to one consumer. A producer that is ahead waits: `send` resolves once there is room. Ended by `end`, or
 * by the signal, after which nothing is delivered any more.
 */
export class TextChannel implements AsyncIterable<string> {
  readonly #capacity: number;
  readonly #signal: AbortSignal;
  #texts: string[] = [];
  #size = 0;
  #isEnded = false;
  #wakeConsumer: () => void = () => {};
  #wakeProducers: (() => void)[] = [];

  /** `capacity`: characters that may wait for the consumer. */
  constructor(capacity: number, signal: AbortSignal) {
    this.#capacity = capacity;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.end(), { once: true });
    if (signal.aborted) this.end();
  }

  /** Resolves once there is room for more; at once after the end, when the text is dropped. */
  async send(text: string): Promise<void> {
    if (this.#isEnded) return;
    this.#texts.push(text);
    this.#size += text.length;
    this.#wakeConsumer();
    while (this.#size > this.#capacity && !this.#isEnded) {
      await new Promise<void>((resolve) => this.#wakeProducers.push(resolve));
    }
  }

  /** What was sent before is still delivered. */
  end(): void {
    this.#isEnded = true;
    this.#wakeConsumer();
    this.#wakeAllProducers();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    while (!this.#signal.aborted) {
      const text = this.#texts.shift();
      if (text !== undefined) {
        this.#size -= text.length;
        this.#wakeAllProducers();
        yield text;
        continue;
      }
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wakeConsumer = resolve;
      });
    }
  }

  #wakeAllProducers(): void {
    const waiting = this.#wakeProducers;
    this.#wakeProducers = [];
    for (const wake of waiting) wake();
  }
}
