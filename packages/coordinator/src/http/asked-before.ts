/** A power of two. */
const PLACES = 4096;

/**
 * Tells what was asked for before, of late. Each key has a place, which others have, too; the last one stands in it. So it has one size, and nothing of a key that is asked for once
 * lives on, which collections of garbage would have to carry along.
 */
export class AskedBefore {
  readonly #prints = new Int32Array(PLACES);

  /** Notes the key. Whether it was the last one of its place already; another one is seldom taken for it. */
  note(key: string): boolean {
    const print = printOf(key);
    const place = print & (PLACES - 1);
    const isKnown = this.#prints[place] === print;
    this.#prints[place] = print;
    return isKnown;
  }
}

/** 32 bits that depend on each character (FNV-1a). */
function printOf(key: string): number {
  let print = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) {
    print = Math.imul(print ^ key.charCodeAt(at), 0x01000193);
  }
  return print;
}
