import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { wholeCharacters, wholeLines } from "./characters.ts";
import { LogTail } from "./log-tail.ts";

/** How much is kept of a log. What lies between is left out. */
export interface LogLimits {
  readonly headBytes: number;
  readonly tailBytes: number;
}

const MEBIBYTE = 1024 * 1024;
/** Together less than `MAX_LOG_BYTES` of the protocol, which a coordinator stores of one log. */
const LOG_LIMITS: LogLimits = { headBytes: 48 * MEBIBYTE, tailBytes: 16 * MEBIBYTE };

/** A piece of the log that begins at a byte offset. */
export interface LogPiece {
  readonly text: string;
  readonly bytes: number;
}

/**
 * The log of one assignment, appended on disk and read back by whoever sends it. The file is the only copy:
 * a build that logs faster than the coordinator takes it fills no memory. Nor does it fill the disk: beyond the limit only the last
 * bytes are kept, apart, and join the file when it is closed. What is in the file never changes.
 */
export class LogFile {
  readonly #path: string;
  readonly #limits: LogLimits;
  #descriptor: number | null = null;
  #size: number;
  #pending: string[] = [];
  #flush: NodeJS.Immediate | null = null;
  #onGrow: () => void = () => undefined;
  #failure: unknown = null;
  #tail: LogTail | null = null;
  #isLeft = false;

  constructor(path: string, size: number, limits: LogLimits = LOG_LIMITS) {
    this.#path = path;
    this.#size = size;
    this.#limits = limits;
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

  /** Another process appends to the file: so many bytes can be read. */
  grewTo(size: number): void {
    if (size <= this.#size) return;
    this.#size = size;
    this.#onGrow();
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
      this.#store(bytes);
    } catch (error) {
      this.#failure = error;
    }
    this.#onGrow();
  }

  #store(bytes: Buffer): void {
    if (this.#tail === null) {
      const room = this.#limits.headBytes - this.#size;
      const head = bytes.length <= room ? bytes : wholeLines(bytes.subarray(0, room));
      this.#write(head);
      if (head.length === bytes.length) return;
      this.#tail = new LogTail(this.#path, this.#size, this.#limits.tailBytes);
      this.#tail.append(bytes.subarray(head.length));
    } else {
      this.#tail.append(bytes);
    }
  }

  #write(bytes: Buffer): void {
    this.#descriptor ??= openSync(this.#path, "a", 0o600);
    for (let at = 0; at < bytes.length;) {
      const written = writeSync(this.#descriptor, bytes, at);
      at += written;
      this.#size += written;
    }
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

  /** Another process goes on writing it, and will complete it. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Nothing follows: the file is complete, also one that another process began and left. */
  close(): void {
    this.flush();
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
    if (this.#isLeft) return;
    try {
      this.#complete();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #complete(): void {
    const { headBytes, tailBytes } = this.#limits;
    // A head that is full ends at most one line, and one write, before its limit.
    const isNearLimit = this.#size > headBytes / 2;
    this.#tail ??= isNearLimit ? LogTail.find(this.#path, tailBytes) : null;
    if (this.#tail === null) return;
    this.#size = this.#tail.complete();
    this.#tail = null;
    this.#onGrow();
  }
}
