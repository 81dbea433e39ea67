/** One timer for everything that is sampled. It runs only while there is something to sample, and keeps nothing alive. */
export class Sampler {
  readonly #intervalMs: number;
  readonly #tasks = new Set<() => void>();
  #timer: NodeJS.Timeout | null = null;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The task must not throw. It is called until the returned function is. */
  add(task: () => void): () => void {
    this.#tasks.add(task);
    this.#timer ??= setInterval(() => {
      for (const each of this.#tasks) each();
    }, this.#intervalMs).unref();
    return () => {
      this.#tasks.delete(task);
      if (this.#tasks.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }
}
