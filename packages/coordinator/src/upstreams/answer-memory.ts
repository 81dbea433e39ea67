interface Remembered<T> {
  readonly answer: T;
  readonly until: number;
}

/** Answers that are believed for a while, at most so many: the oldest goes first. */
export class AnswerMemory<T> {
  readonly #maxAnswers: number;
  readonly #answers = new Map<string, Remembered<T>>();

  constructor(maxAnswers: number) {
    this.#maxAnswers = maxAnswers;
  }

  /** undefined for what was never asked, and for an answer whose time is over. Milliseconds since the epoch. */
  get(key: string, now: number): T | undefined {
    const known = this.#answers.get(key);
    if (known === undefined) return undefined;
    if (known.until > now) return known.answer;
    this.#answers.delete(key);
    return undefined;
  }

  /** `until` when it is believed, milliseconds since the epoch. */
  put(key: string, answer: T, until: number): void {
    this.#answers.delete(key);
    this.#answers.set(key, { answer, until });
    if (this.#answers.size <= this.#maxAnswers) return;
    const [oldest] = this.#answers.keys();
    if (oldest !== undefined) this.#answers.delete(oldest);
  }
}
