/** Place of a build in the order of lists: by creation time, then number. */
export interface Place {
  readonly createdAt: number;
  readonly number: number;
}

/** At most `limit` places of one source before `before`, the newest first. */
export type ReadBefore = (before: Place, limit: number) => Place[];

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
 * The newest `limit` places of all sources together. Each is read in pieces that grow, so that a hundred sources cost little more than one.
 * The sources have nothing in common.
 */
export function newestOf(
  readers: readonly ReadBefore[],
  createdBefore: number,
  limit: number,
): Place[] {
  const share = Math.ceil(limit / Math.max(readers.length, 1)) + SPARE;
  const sources = readers.map((read): Source => ({
    read,
    places: [],
    next: 0,
    chunk: share,
    isAtEnd: false,
  }));
  const found: Place[] = [];
  const first = { createdAt: createdBefore, number: 0 };
  while (found.length < limit) {
    let newest: Source | null = null;
    for (const source of sources) {
      const place = headOf(source, first, limit);
      if (place === null) continue;
      const best = newest === null ? null : headOf(newest, first, limit);
      if (best === null || isNewer(place, best)) newest = source;
    }
    const place = newest === null ? null : headOf(newest, first, limit);
    if (newest === null || place === null) break;
    found.push(place);
    newest.next += 1;
  }
  return found;
}

function headOf(source: Source, first: Place, limit: number): Place | null {
  const head = source.places[source.next];
  if (head !== undefined) return head;
  if (source.isAtEnd) return null;
  const places = source.read(source.places.at(-1) ?? first, source.chunk);
  source.isAtEnd = places.length < source.chunk;
  source.places = places;
  source.next = 0;
  source.chunk = Math.min(2 * source.chunk, limit);
  return places[0] ?? null;
}

function isNewer(a: Place, b: Place): boolean {
  return a.createdAt === b.createdAt ? a.number > b.number : a.createdAt > b.createdAt;
}
