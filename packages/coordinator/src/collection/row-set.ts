const PAGE_BITS = 16;
const PAGE_SIZE = 1 << PAGE_BITS;

/** Row numbers, of which there may be millions: a bit for each, in pages of 8 KiB that come when they are needed. */
export class RowSet {
  readonly #pages = new Map<number, Uint8Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when it was in the set already. */
  add(row: number): boolean {
    const key = Math.floor(row / PAGE_SIZE);
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = new Uint8Array(PAGE_SIZE / 8);
      this.#pages.set(key, page);
    }
    const bit = row % PAGE_SIZE;
    const byte = page[bit >> 3] ?? 0;
    const mask = 1 << (bit & 7);
    if ((byte & mask) !== 0) return false;
    page[bit >> 3] = byte | mask;
    this.#size += 1;
    return true;
  }

  has(row: number): boolean {
    const bit = row % PAGE_SIZE;
    const byte = this.#pages.get(Math.floor(row / PAGE_SIZE))?.[bit >> 3] ?? 0;
    return (byte & (1 << (bit & 7))) !== 0;
  }
}
