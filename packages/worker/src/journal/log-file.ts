import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { reasonOf } from "../error-facts.ts";
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
 * bytes are kept, apart, and join the file when it is closed. What is in the file never changes. What could not be written is counted, and
 * the log says how much that was.
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
  #lostBytes = 0;
  /** Last words, when the file does not take those either. */
  #unwritten: Buffer = Buffer.alloc(0);
  #tail: LogTail | null = null;
  #isLeft = false;

  constructor(path: string, size: number, limits: LogLimits = LOG_LIMITS) {
    this.#path = path;
    this.#size = size;
    this.#limits = limits;
  }

  /** Bytes that can be read. */
  get size(): number {
    return this.#size + this.#unwritten.length;
  }

  /** Why something could not be written; null while all is well. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Bytes that could not be written, and of which the log does not tell. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  /** Whoever else wrote it could not write so many bytes. */
  lose(bytes: number, failure: unknown): void {
    this.#lostBytes += bytes;
    this.#failure ??= failure;
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

  /** Text that comes in one turn of the event loop is written at once. */
  append(text: string): void {
    if (text === "") return;
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
    if (this.#lostBytes > 0 && this.#tail === null) this.#storeBehindLoss(bytes);
    else this.#storeOrLose(bytes);
    this.#onGrow();
  }

  #storeOrLose(bytes: Buffer): void {
    const before = this.#size;
    try {
      this.#store(bytes);
    } catch (error) {
      this.lose(bytes.length - (this.#size - before), error);
    }
  }

  /** Together with the note: it is not said again for each piece for which there is no room after all. */
  #storeBehindLoss(bytes: Buffer): void {
    const all = Buffer.concat([this.#note(), bytes]);
    const before = this.#size;
    try {
      this.#store(all);
      this.#lostBytes = 0;
    } catch (error) {
      const stored = this.#size - before;
      if (stored > 0) this.#lostBytes = 0;
      this.lose(Math.min(bytes.length, all.length - stored), error);
    }
  }

  #note(): Buffer {
    const start = endsLine(this.#path, this.#size) ? "" : "\n";
    const what = `${this.#lostBytes} bytes of the log could not be written`;
    return Buffer.from(`${start}[${what}: ${reasonOf(this.#failure)}]\n`);
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

  /** All of it, or nothing: half a character at the end could not be read, and the room is left for whoever says what is missing. */
  #write(bytes: Buffer): void {
    this.#descriptor ??= openSync(this.#path, "a", 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#size);
      throw error;
    }
    this.#size += bytes.length;
  }

  /** At most `maxBytes` from `offset` on, cut between characters. Empty at the end. */
  async read(offset: number, maxBytes: number): Promise<LogPiece> {
    const length = Math.min(maxBytes, this.#size - offset);
    if (length <= 0) {
      const at = Math.max(0, offset - this.#size);
      return pieceOf(this.#unwritten.subarray(at, at + maxBytes));
    }
    const file = await open(this.#path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return pieceOf(buffer.subarray(0, bytesRead));
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
    try {
      if (!this.#isLeft && this.#unwritten.length === 0) this.#complete();
    } catch (error) {
      this.#failure ??= error;
    }
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  /** For whoever sends a log that is closed: it ends with what is missing, also when the file takes not even that. */
  keepLastWords(): void {
    if (this.#tail !== null) this.#lostBytes += this.#tail.keptBytes;
    if (this.#lostBytes === 0) return;
    this.#unwritten = this.#note();
    this.#lostBytes = 0;
    this.#onGrow();
  }

  #complete(): void {
    const { headBytes, tailBytes } = this.#limits;
    // A head that is full ends at most one line, and one write, before its limit.
    const isNearLimit = this.#size > headBytes / 2;
    this.#tail ??= isNearLimit ? LogTail.find(this.#path, tailBytes) : null;
    if (this.#tail !== null) {
      this.#size = this.#tail.complete();
      this.#tail = null;
      this.#onGrow();
    }
    if (this.#lostBytes === 0) return;
    this.#write(this.#note());
    this.#lostBytes = 0;
    this.#onGrow();
  }
}

/** Also when it cannot be read. */
function endsLine(file: string, sizeBytes: number): boolean {
  if (sizeBytes === 0) return true;
  const last = Buffer.from("\n");
  try {
    const descriptor = openSync(file, "r");
    readSync(descriptor, last, 0, 1, sizeBytes - 1);
    closeSync(descriptor);
  } catch {
    // It is told in any case.
  }
  return last.toString() === "\n";
}

function pieceOf(bytes: Buffer): LogPiece {
  const whole = wholeCharacters(bytes);
  return { text: whole.toString("utf8"), bytes: whole.length };
}
