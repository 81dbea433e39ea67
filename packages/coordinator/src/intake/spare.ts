/**
 * Things that cost memory outside of V8's heap and serve one user after the other. V8 counts such memory against the whole heap: where each small upload had its own, it
 * looked all of the heap through after every few of them.
 */
export class Spare<T> {
  readonly #make: () => T;
  readonly #most: number;
  readonly #things: T[] = [];

  /** Keeps at most `most` that nobody uses. */
  constructor(make: () => T, most: number) {
    this.#make = make;
    this.#most = most;
  }

  take(): T {
    return this.#things.pop() ?? this.#make();
  }

  /** The next user gets it as it is: whoever gives it back uses it no more. */
  giveBack(thing: T): void {
    if (this.#things.length < this.#most) this.#things.push(thing);
  }
}
