/** Of the places of a gate one key may hold so many. */
const SHARE_OF_KEY = 0.75;

interface Waiting {
  readonly key: string | null;
  readonly enter: () => void;
}

/** Lets so many in at once; the others wait in order. Nobody holds all of several places under one key: there is always one left for others. */
export class Gate {
  readonly #perKey: number;
  readonly #held = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
    this.#perKey = Math.max(1, Math.floor(places * SHARE_OF_KEY));
  }

  /** Whether somebody could enter without waiting. */
  hasRoomFor(key: string | null): boolean {
    return this.#free > 0 && this.#mayEnter(key);
  }

  /** Whether somebody waits. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /** Waits for a place. Dispose what it resolves to when leaving. `key`: on whose behalf. */
  async enter(key: string | null = null): Promise<Disposable> {
    if (this.hasRoomFor(key)) this.#take(key);
    else await new Promise<void>((enter) => this.#waiting.push({ key, enter }));
    return { [Symbol.dispose]: () => this.#leave(key) };
  }

  #mayEnter(key: string | null): boolean {
    return key === null || (this.#held.get(key) ?? 0) < this.#perKey;
  }

  #take(key: string | null): void {
    this.#free -= 1;
    if (key !== null) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
  }

  #leave(key: string | null): void {
    this.#free += 1;
    if (key !== null) {
      const held = (this.#held.get(key) ?? 1) - 1;
      if (held === 0) this.#held.delete(key);
      else this.#held.set(key, held);
    }
    const at = this.#waiting.findIndex((waiting) => this.#mayEnter(waiting.key));
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (next === undefined) return;
    // Taken before it is told, so that nobody slips in between.
    this.#take(next.key);
    next.enter();
  }
}
