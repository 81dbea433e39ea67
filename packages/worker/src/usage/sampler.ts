/** A task is run more seldom the longer it is there: a sample of a long build stands for more of it. */
const AGE_SHARE = 60;
const MAX_INTERVAL_MS = 1000;

interface Sampled {
  readonly run: () => void;
  /** Turns of the timer since it was added, and until it is run again. */
  turns: number;
  wait: number;
}

/**
 * One timer for everything that is sampled. It runs only while there is something to sample, and keeps nothing alive. For
 * its first seconds each task runs at the given interval, then ever more seldom, down to once in a second.
 */
export class Sampler {
  readonly #intervalMs: number;
  readonly #tasks = new Set<Sampled>();
  #timer: NodeJS.Timeout | null = null;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The task must not throw. It is called until the returned function is. */
  add(run: () => void): () => void {
    const task = { run, turns: 0, wait: 1 };
    this.#tasks.add(task);
    this.#timer ??= setInterval(() => this.#turn(), this.#intervalMs).unref();
    return () => {
      this.#tasks.delete(task);
      if (this.#tasks.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  #turn(): void {
    const mostTurns = Math.round(MAX_INTERVAL_MS / this.#intervalMs);
    for (const task of this.#tasks) {
      task.turns += 1;
      task.wait -= 1;
      if (task.wait > 0) continue;
      task.run();
      task.wait = Math.max(1, Math.min(mostTurns, Math.floor(task.turns / AGE_SHARE)));
    }
  }
}
