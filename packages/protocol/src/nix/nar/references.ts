import { NIX32_VALUES } from "../base32.ts";

/** Length of the hash part of a store path. */
const WINDOW_BYTES = 32;

/** Whether a byte can stand in a hash part. A table, because a good part of all bytes is looked up. */
const IS_HASH_CHARACTER = Uint8Array.from(NIX32_VALUES, (value) => (value < 32 ? 1 : 0));

/** The windows that begin in so many bytes have three bytes in common that lie 4 apart. */
const SKIPPED_BYTES = WINDOW_BYTES - 8;

/** How many distinct windows a ReferenceScanner keeps: about 6 MB of memory. */
const DEFAULT_MAX_WINDOWS = 65_536;

/**
 * Finds all references in a stream without knowing what to look for: every distinct run of 32 characters of Nix's base 32 alphabet,
 * which is what Nix itself looks for. Most of what it finds in text with long hashes is no reference; compare it with known paths.
 * When there are more than `maxWindows` it keeps the first ones, says so in `overflowed`, and stops looking:
 * then only a CandidateScanner can answer.
 */
export class ReferenceScanner {
  readonly #maxWindows: number;
  readonly #finder = new WindowFinder();
  /** Each window, and where it was first seen in the last piece that has it. Positions rise from piece to piece. */
  readonly #windows = new Map<string, number>();
  #piece: Buffer | null = null;
  #pieceStart = 0;
  /** Kept beside it: whoever writes may take the memory of a piece back. */
  #pieceBytes = 0;
  #lastAt = -1;
  /** The last window is the same as the one this many bytes before it; 0 when it was new. */
  #distance = 0;
  #overflowed = false;

  constructor(maxWindows: number = DEFAULT_MAX_WINDOWS) {
    this.#maxWindows = maxWindows;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** A run may begin in one chunk and end in the next. */
  write(chunk: Uint8Array): void {
    if (!this.#overflowed) this.#finder.write(chunk, this.#add);
  }

  /** Hash parts, 32 characters each. */
  found(): ReadonlySet<string> {
    return new Set(this.#windows.keys());
  }

  readonly #add = (piece: Buffer, at: number): void => {
    if (piece !== this.#piece) this.#enter(piece);
    if (this.#repeats(piece, at)) {
      this.#lastAt = at;
      return;
    }
    const window = piece.toString("latin1", at, at + WINDOW_BYTES);
    const position = this.#pieceStart + at;
    const seenAt = this.#windows.get(window) ?? -1;
    this.#lastAt = at;
    this.#distance = seenAt >= this.#pieceStart ? position - seenAt : 0;
    if (seenAt < this.#pieceStart) this.#remember(window, position);
  };

  /** A window that follows a repetition and ends in the same byte is one, too: long runs such as `000...` cost next to nothing. */
  #repeats(piece: Buffer, at: number): boolean {
    const end = at + WINDOW_BYTES - 1;
    return (
      this.#distance > 0 && this.#lastAt === at - 1 && piece[end] === piece[end - this.#distance]
    );
  }

  #enter(piece: Buffer): void {
    this.#pieceStart += this.#pieceBytes;
    this.#piece = piece;
    this.#pieceBytes = piece.length;
    this.#distance = 0;
  }

  #remember(window: string, position: number): void {
    if (this.#windows.size < this.#maxWindows || this.#windows.has(window)) {
      this.#windows.set(window, position);
    } else {
      this.#overflowed = true;
    }
  }
}

/** Finds which of the given hash parts occur in a stream, as Nix does with the inputs of a build. */
export class CandidateScanner {
  readonly #finder = new WindowFinder();
  readonly #missing: Set<string>;
  readonly #found = new Set<string>();
  /** 1 where a candidate begins with these three characters: spares most windows a look into the set. */
  readonly #beginnings = new Uint8Array(32 ** 3);

  /** `hashParts`: 32 characters each. */
  constructor(hashParts: Iterable<string>) {
    this.#missing = new Set(hashParts);
    for (const hashPart of this.#missing) {
      this.#beginnings[beginningAt(Buffer.from(hashPart, "latin1"), 0)] = 1;
    }
  }

  /** A run may begin in one chunk and end in the next. Nothing is looked at once all were found. */
  write(chunk: Uint8Array): void {
    if (this.#missing.size > 0) this.#finder.write(chunk, this.#check);
  }

  /** Those of the candidates that were in the stream so far. */
  found(): ReadonlySet<string> {
    return this.#found;
  }

  readonly #check = (bytes: Buffer, at: number): void => {
    if (this.#beginnings[beginningAt(bytes, at)] === 0) return;
    const window = bytes.toString("latin1", at, at + WINDOW_BYTES);
    if (this.#missing.delete(window)) this.#found.add(window);
  };
}

function beginningAt(bytes: Uint8Array, at: number): number {
  let number = 0;
  for (let n = 0; n < 3; n++) {
    number = number * 32 + (NIX32_VALUES[bytes[at + n] ?? 0] ?? 0);
  }
  return number;
}

type Found = (bytes: Buffer, at: number) => void;

/** Finds windows also where they cross from one chunk into the next. */
class WindowFinder {
  /** What may still begin a window: the last bytes of the stream, fewer than a window. */
  #tail = Buffer.alloc(0);

  write(chunk: Uint8Array, found: Found): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const keep = WINDOW_BYTES - 1;
    const border = Buffer.concat([this.#tail, bytes.subarray(0, keep)]);
    if (this.#tail.length > 0) findWindows(border, found);
    findWindows(bytes, found);
    const end = bytes.length < keep ? border : bytes;
    this.#tail = Buffer.from(end.subarray(-keep));
  }
}

/** Looks at the last byte of a window first: when that is no hash character, neither is any window that holds it, and all are skipped. */
function findWindows(bytes: Buffer, found: Found): void {
  let start = 0;
  // All bytes from `start` up to here are hash characters.
  let known = 0;
  for (;;) {
    start = skip(bytes, start);
    if (known < start) known = start;
    const end = start + WINDOW_BYTES;
    if (end > bytes.length) return;
    let at = end;
    while (at > known && isHashCharacter(bytes, at - 1) === 1) at--;
    if (at > known) {
      start = at;
    } else {
      found(bytes, start);
      start += 1;
    }
    known = end;
  }
}

/**
 * Where a window can begin at the earliest. Three bytes, the last and two before it, are looked at together, and those of the next window at once with them: two bytes of three
 * that are hash characters by chance are as common as one that is not, and a processor loses more time by guessing wrong than by looking.
 */
function skip(bytes: Buffer, from: number): number {
  const last = bytes.length - WINDOW_BYTES - SKIPPED_BYTES;
  let start = from;
  while (start <= last && (mayBegin(bytes, start) | mayBegin(bytes, start + SKIPPED_BYTES)) === 0) {
    start += 2 * SKIPPED_BYTES;
  }
  return start;
}

/** 0 when no window begins in the `SKIPPED_BYTES` from there on. */
function mayBegin(bytes: Buffer, start: number): number {
  return (
    isHashCharacter(bytes, start + 31) &
    isHashCharacter(bytes, start + 27) &
    isHashCharacter(bytes, start + 23)
  );
}

function isHashCharacter(bytes: Buffer, at: number): number {
  return IS_HASH_CHARACTER[bytes[at] ?? 0] ?? 0;
}
