import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { firstCharacter } from "./characters.ts";

const COPY_BYTES = 1024 * 1024;

/** A file of `bytes` bytes; every earlier segment of the log was full. */
interface Segment {
  readonly index: number;
  readonly path: string;
  readonly bytes: number;
}

/**
 * What comes after a log has reached its limit: the last of it, on disk. It is written into segments of `tailBytes` each, of which
 * the newest two are kept, `<log>.tail.<bytes of the head>.<index>`. So whoever finds them can complete the log, also after a crash.
 */
export class LogTail {
  readonly #log: string;
  readonly #headBytes: number;
  readonly #tailBytes: number;
  #index = 0;
  #descriptor: number | null = null;
  #segmentBytes = 0;

  constructor(log: string, headBytes: number, tailBytes: number) {
    this.#log = log;
    this.#headBytes = headBytes;
    this.#tailBytes = tailBytes;
  }

  /** The tail that an earlier process left, or null. */
  static find(log: string, tailBytes: number): LogTail | null {
    const pattern = new RegExp(`^${basename(log)}\\.tail\\.(\\d+)\\.\\d+$`);
    const found = readdirSync(dirname(log)).map((name) => pattern.exec(name)?.[1]);
    const headBytes = found.find((bytes) => bytes !== undefined);
    return headBytes === undefined ? null : new LogTail(log, Number(headBytes), tailBytes);
  }

  /** Synchronous: what was appended is in the files when it returns. Throws what the file system says. */
  append(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#segmentBytes === this.#tailBytes) this.#nextSegment();
      this.#descriptor ??= openSync(this.#pathOf(this.#index), "wx", 0o600);
      const piece = rest.subarray(0, this.#tailBytes - this.#segmentBytes);
      const written = writeSync(this.#descriptor, piece);
      this.#segmentBytes += written;
      rest = rest.subarray(written);
    }
  }

  /** Bytes in its files. */
  get keptBytes(): number {
    return bytesOf(this.#segments());
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  /**
   * Puts the tail behind the head, after a line that says how much was left out between them, and resolves to the size of the whole.
   * Done again after it was interrupted, it writes the same bytes to the same place.
   */
  complete(): number {
    this.close();
    const segments = this.#segments();
    const log = openSync(this.#log, "r+");
    try {
      const { skipBytes, leftOutBytes } = this.#cut(segments);
      let at = this.#headBytes;
      if (leftOutBytes > 0) at += writeAt(log, Buffer.from(this.#marker(log, leftOutBytes)), at);
      for (const piece of piecesOf(segments, skipBytes)) at += writeAt(log, piece, at);
      for (const { path } of segments) rmSync(path, { force: true });
      return at;
    } finally {
      closeSync(log);
    }
  }

  #nextSegment(): void {
    this.close();
    rmSync(this.#pathOf(this.#index - 1), { force: true });
    this.#index += 1;
    this.#segmentBytes = 0;
  }

  #segments(): Segment[] {
    const prefix = `${basename(this.#log)}.tail.${this.#headBytes}.`;
    return readdirSync(dirname(this.#log))
      .filter((name) => name.startsWith(prefix))
      .map((name) => {
        const path = join(dirname(this.#log), name);
        return { index: Number(name.slice(prefix.length)), path, bytes: statSync(path).size };
      })
      .toSorted((a, b) => a.index - b.index);
  }

  /** Where in the segments the kept part begins, and how many bytes of the log lie before it. */
  #cut(segments: readonly Segment[]): { skipBytes: number; leftOutBytes: number } {
    const lostBytes = (segments[0]?.index ?? 0) * this.#tailBytes;
    const keptBytes = bytesOf(segments);
    const least = Math.max(0, keptBytes - this.#tailBytes);
    if (lostBytes + least === 0) return { skipBytes: 0, leftOutBytes: 0 };
    const [piece = Buffer.alloc(0)] = piecesOf(segments, least);
    const skipBytes = least + firstCharacter(piece);
    return { skipBytes, leftOutBytes: lostBytes + skipBytes };
  }

  #marker(log: number, leftOutBytes: number): string {
    const last = Buffer.from("\n");
    if (this.#headBytes > 0) readSync(log, last, 0, 1, this.#headBytes - 1);
    const start = last.toString() === "\n" ? "" : "\n";
    return `${start}[${leftOutBytes} bytes of the log were left out here: it was too long]\n`;
  }

  #pathOf(index: number): string {
    return `${this.#log}.tail.${this.#headBytes}.${index}`;
  }
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The bytes of all segments in order, from `skipBytes` on. */
function* piecesOf(segments: readonly Segment[], skipBytes: number): Generator<Buffer> {
  let skip = skipBytes;
  for (const { path, bytes } of segments) {
    if (skip < bytes) yield* piecesOfFile(path, skip);
    skip = Math.max(0, skip - bytes);
  }
}

function* piecesOfFile(path: string, skipBytes: number): Generator<Buffer> {
  const file = openSync(path, "r");
  try {
    const piece = Buffer.alloc(COPY_BYTES);
    for (let at = skipBytes; ;) {
      const read = readSync(file, piece, 0, piece.length, at);
      if (read === 0) return;
      at += read;
      yield piece.subarray(0, read);
    }
  } finally {
    closeSync(file);
  }
}

function writeAt(file: number, bytes: Uint8Array, position: number): number {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
  return done;
}
