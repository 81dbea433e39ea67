interface Generation<V> {
  values: Map<string, V>;
  weight: number;
}

/**
 * Values by key, of which those are forgotten that were not used for the longest time. Two generations do that without moving a value at every use: what is used in the
 * old one moves to the young one, and when the young one is full the old one is dropped.
 */
export class Recent<V> {
  readonly #limit: number;
  readonly #weightOf: (value: V) => number;
  #young: Generation<V> = { values: new Map(), weight: 0 };
  #old: Generation<V> = { values: new Map(), weight: 0 };

  /** `limit`: how much all values of one generation may weigh together. */
  constructor(limit: number, weightOf: (value: V) => number = () => 1) {
    this.#limit = limit;
    this.#weightOf = weightOf;
  }

  get(key: string): V | undefined {
    return this.#young.values.get(key) ?? this.#revive(key);
  }

  /** What is used least may go for it, and more than the new value needs. */
  set(key: string, value: V): void {
    this.delete(key);
    const weight = this.#weightOf(value);
    if (this.#young.weight + weight > this.#limit) {
      this.#old = this.#young;
      this.#young = { values: new Map(), weight: 0 };
    }
    this.#young.values.set(key, value);
    this.#young.weight += weight;
  }

  delete(key: string): void {
    for (const generation of [this.#young, this.#old]) this.#drop(generation, key);
  }

  /** Looks at every key. */
  deleteAll(isMeant: (key: string) => boolean): void {
    for (const { values } of [this.#young, this.#old]) {
      for (const key of values.keys()) if (isMeant(key)) this.delete(key);
    }
  }

  #revive(key: string): V | undefined {
    const value = this.#old.values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  #drop(generation: Generation<V>, key: string): void {
    const value = generation.values.get(key);
    if (value === undefined) return;
    generation.values.delete(key);
    generation.weight -= this.#weightOf(value);
  }
}
