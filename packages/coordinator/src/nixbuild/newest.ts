import { Heap } from "../scheduler/heap.ts";

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

interface Head {
  readonly source: Source;
  readonly place: Place;
}

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
  const heads = new Heap<Head>((a, b) => isNewer(a.place, b.place));
  for (const source of sources) pushHead(heads, source);
  const found: Place[] = [];
  while (found.length < limit) {
    const newest = heads.pop();
    if (newest === undefined) break;
    found.push(newest.place);
    newest.source.next += 1;
    pushHead(heads, newest.source);
  }
  return found;
}

function pushHead(heads: Heap<Head>, source: Source): void {
  const place = headOf(source);
  if (place !== null) heads.push({ source, place });
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
