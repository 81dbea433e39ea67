/** A binary heap: `peek` and `pop` give the item that comes before all others. */
export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  /** Takes the logarithm of the size. Of two items that neither is before the other either may come first. */
  push(item: T): void {
    let at = this.#items.push(item) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#items[parentAt];
      if (parent === undefined || !this.#isBefore(item, parent)) break;
      this.#items[at] = parent;
      at = parentAt;
    }
    this.#items[at] = item;
  }

  pop(): T | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return top;
  }

  /** Puts `item` where the hole at the root leads to. */
  #sink(item: T): void {
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = this.#items[leftAt];
      const right = this.#items[leftAt + 1];
      if (left === undefined) break;
      const isRightFirst = right !== undefined && this.#isBefore(right, left);
      const child = isRightFirst ? right : left;
      if (!this.#isBefore(child, item)) break;
      this.#items[at] = child;
      at = isRightFirst ? leftAt + 1 : leftAt;
    }
    this.#items[at] = item;
  }
}
