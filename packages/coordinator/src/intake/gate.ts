/** Lets so many in at once; the others wait in order. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Whether somebody could enter without waiting. */
  get hasRoom(): boolean {
    return this.#free > 0;
  }

  /** Waits for a place. Dispose what it resolves to when leaving. */
  async enter(): Promise<Disposable> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    // The place is handed on, so that nobody slips in between.
    if (next === undefined) this.#free += 1;
    else next();
  }
}
