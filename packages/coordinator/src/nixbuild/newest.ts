/** Place of a build in the order of lists: by creation time, then number. */
export interface Place {
  readonly createdAt: number;
  readonly number: number;
}

/** At most `limit` places of one source before `before`, the newest first. */
export type ReadBefore = (before: Place, limit: number) => Place[];

/** The same of all sources, in their order. */
type ReadAllBefore = (before: Place, limit: number) => Place[][];

interface Source {
  readonly read: ReadBefore;
  places: Place[];
  next: number;
  chunk: number;
  isAtEnd: boolean;
}

/** Beyond the even share, so that sources that are about as busy as the others are read once. */
const SPARE = 4;

/**
 * The newest `limit` places of all sources together, which have nothing in common. An even share of all is read at once, and then of each what
 * it has beyond that, in pieces that grow: a hundred sources cost little more than one.
 */
export function newestOf(
  readers: readonly ReadBefore[],
  readAll: ReadAllBefore,
  createdBefore: number,
  limit: number,
): Place[] {
  const share = Math.ceil(limit / Math.max(readers.length, 1)) + SPARE;
  const all = readAll({ createdAt: createdBefore, number: 0 }, share);
  const sources = readers.map((read, at): Source => {
    const places = all[at] ?? [];
    return { read, places, next: 0, chunk: 2 * share, isAtEnd: places.length < share };
  });
  const found: Place[] = [];
  while (found.length < limit) {
    let newest: Source | null = null;
    for (const source of sources) {
      const place = headOf(source);
      if (place === null) continue;
      const best = newest === null ? null : headOf(newest);
      if (best === null || isNewer(place, best)) newest = source;
    }
    const place = newest === null ? null : headOf(newest);
    if (newest === null || place === null) break;
    found.push(place);
    newest.next += 1;
  }
  return found;
}

function headOf(source: Source): Place | null {
  const head = source.places[source.next];
  if (head !== undefined) return head;
  const last = source.places.at(-1);
  if (source.isAtEnd || last === undefined) return null;
  const places = source.read(last, source.chunk);
  source.isAtEnd = places.length < source.chunk;
  source.places = places;
  source.next = 0;
  source.chunk *= 2;
  return places[0] ?? null;
}

function isNewer(a: Place, b: Place): boolean {
  return a.createdAt === b.createdAt ? a.number > b.number : a.createdAt > b.createdAt;
}
