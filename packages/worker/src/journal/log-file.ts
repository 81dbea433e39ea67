import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

/** A piece of the log that begins at a byte offset. */
export interface LogPiece {
  readonly text: string;
  readonly bytes: number;
}

/**
 * The log of one assignment, appended on disk and read back by whoever sends it. The file is the only copy:
 * a build that logs faster than the coordinator takes it fills no memory.
 */
export class LogFile {
  readonly #path: string;
  #descriptor: number | null = null;
  #size: number;
  #pending: string[] = [];
  #flush: NodeJS.Immediate | null = null;
  #onGrow: () => void = () => undefined;
  #failure: unknown = null;

  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = size;
  }

  /** Bytes that can be read. */
  get size(): number {
    return this.#size;
  }

  /** Why the rest of the log could not be written; null while all is well. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Called after the log grew. */
  onGrow(callback: () => void): void {
    this.#onGrow = callback;
  }

  /** Text that comes in one turn of the event loop is written at once. After a failed write the log takes no more. */
  append(text: string): void {
    if (text === "" || this.#failure !== null) return;
    this.#pending.push(text);
    this.#flush ??= setImmediate(() => this.flush());
  }

  /** Writes what is pending. Synchronous on purpose: it is what slows down a build that logs faster than the disk. */
  flush(): void {
    if (this.#flush) clearImmediate(this.#flush);
    this.#flush = null;
    if (this.#pending.length === 0) return;
    const bytes = Buffer.from(this.#pending.join(""));
    this.#pending = [];
    try {
      this.#descriptor ??= openSync(this.#path, "a", 0o600);
      for (let at = 0; at < bytes.length;) {
        const written = writeSync(this.#descriptor, bytes, at);
        at += written;
        this.#size += written;
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#onGrow();
  }

  /** At most `maxBytes` from `offset` on, cut between characters. Empty at the end. */
  async read(offset: number, maxBytes: number): Promise<LogPiece> {
    const length = Math.min(maxBytes, this.#size - offset);
    if (length <= 0) return { text: "", bytes: 0 };
    const file = await open(this.#path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      const whole = wholeCharacters(buffer.subarray(0, bytesRead));
      return { text: whole.toString("utf8"), bytes: whole.length };
    } finally {
      await file.close();
    }
  }

  close(): void {
    this.flush();
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** The bytes without a character that is cut at their end. */
function wholeCharacters(bytes: Buffer): Buffer {
  // The first byte of a UTF-8 sequence lies at most 3 bytes before its last one (RFC 3629).
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    return sequenceLength(byte) > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

function sequenceLength(first: number): number {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}
