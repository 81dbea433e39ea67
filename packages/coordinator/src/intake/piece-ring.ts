/** Memory that one thread fills and another one reads, piece by piece in turn. Either sleeps while it waits for the other: what is held is never more than the pieces. */
export interface PieceRing {
  readonly pieces: readonly Uint8Array[];
  /** How many pieces may be written to, how many may be read, and then how many bytes each of them has. */
  readonly control: Int32Array<SharedArrayBuffer>;
}

const FREE = 0;
const FILLED = 1;
const LENGTHS = 2;

/** Instead of a length: nothing comes behind it. */
const COMPLETE = 0;
const BROKEN_OFF = -1;

/** `count` pieces of `bytes` bytes each, which both threads see. */
export function createPieceRing(count: number, bytes: number): PieceRing {
  const control = new Int32Array(new SharedArrayBuffer((LENGTHS + count) * 4));
  control[FREE] = count;
  return {
    pieces: Array.from({ length: count }, () => new Uint8Array(new SharedArrayBuffer(bytes))),
    control,
  };
}

/** The thread that fills. Its methods block the thread while all pieces are full, so it must not be the one that reads. */
export class PieceRingWriter {
  readonly #ring: PieceRing;
  #at = 0;
  #filled = 0;
  #isTaken = false;

  constructor(ring: PieceRing) {
    this.#ring = ring;
  }

  /** Where the next bytes go: at least one of them. Waits until there is room. */
  room(): Uint8Array {
    if (!this.#isTaken) take(this.#ring.control, FREE);
    this.#isTaken = true;
    return pieceAt(this.#ring, this.#at).subarray(this.#filled);
  }

  /** So many bytes were written to where `room` said. */
  wrote(bytes: number): void {
    this.#filled += bytes;
    if (this.#filled === pieceAt(this.#ring, this.#at).length) this.#hand(this.#filled);
  }

  /** Nothing comes any more, and all has come. */
  complete(): void {
    this.#end(COMPLETE);
  }

  /** Nothing comes any more, and something is missing. */
  breakOff(): void {
    this.#end(BROKEN_OFF);
  }

  #end(mark: number): void {
    if (this.#filled > 0) this.#hand(this.#filled);
    this.room();
    this.#hand(mark);
  }

  #hand(length: number): void {
    this.#ring.control[LENGTHS + this.#at] = length;
    give(this.#ring.control, FILLED);
    this.#at = (this.#at + 1) % this.#ring.pieces.length;
    this.#filled = 0;
    this.#isTaken = false;
  }
}

/** Calls `use` with each piece, which holds during the call. Returns whether the last one was followed by the end of everything. */
export function readPieces(ring: PieceRing, use: (piece: Uint8Array) => void): boolean {
  for (let at = 0; ; at = (at + 1) % ring.pieces.length) {
    take(ring.control, FILLED);
    const length = ring.control[LENGTHS + at] ?? BROKEN_OFF;
    if (length <= 0) return length === COMPLETE;
    use(pieceAt(ring, at).subarray(0, length));
    give(ring.control, FREE);
  }
}

/** Each counter is taken from by one thread only. */
function take(control: Int32Array<SharedArrayBuffer>, counter: number): void {
  while (Atomics.load(control, counter) === 0) Atomics.wait(control, counter, 0);
  Atomics.sub(control, counter, 1);
}

function give(control: Int32Array<SharedArrayBuffer>, counter: number): void {
  Atomics.add(control, counter, 1);
  Atomics.notify(control, counter);
}

function pieceAt({ pieces }: PieceRing, at: number): Uint8Array {
  const piece = pieces[at];
  if (piece === undefined) throw new Error(`there is no piece ${at}`);
  return piece;
}
