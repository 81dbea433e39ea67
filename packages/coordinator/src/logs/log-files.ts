import { createReadStream, createWriteStream, statSync } from "node:fs";
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { compress, CompressStream, decompress } from "zstd-napi";
import { isMissing } from "../error-facts.ts";
import { ZstdDecoder } from "../intake/zstd-decoder.ts";
import { MAX_LOG_BYTES } from "@gradient/protocol";
import type { Logger } from "../logger.ts";
import type { Logs } from "../ports.ts";
import { PromptReads } from "../storage/prompt-reads.ts";
import { fileBytes } from "./file-bytes.ts";
import { LogFeed } from "./log-feed.ts";

/** Up to this size a log is compressed in one go, and read in one. */
const SMALL_BYTES = 64 * 1024;

/** What the log store has to know of attempts. */
export interface AttemptLogs {
  /** Whether nothing will be added to the attempt's log any more. */
  isEnded(attempt: number): boolean;
  /** Size that was recorded when the log was finished. */
  logBytes(attempt: number): number;
  /** Keeps the size of a finished log: it cannot be seen from the compressed file. */
  recordSize(attempt: number, bytes: number): Promise<void>;
}

/**
 * Logs as files: `log/<number>.log` while the attempt runs, `log/<number>.log.zst` afterwards. Bytes are addressed from the start of the log,
 * so that a piece that comes twice is stored once.
 */
export class LogFiles implements Logs, AsyncDisposable {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #attempts: AttemptLogs;
  readonly #logger: Logger;
  readonly #feeds = new Map<number, LogFeed>();
  readonly #prompt = new PromptReads();
  /** Open for appending. */
  readonly #handles = new Map<number, FileHandle>();
  /** One thing after the other for each attempt. */
  readonly #tails = new Map<number, Promise<unknown>>();

  private constructor(folder: string, maxBytes: number, attempts: AttemptLogs, logger: Logger) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#attempts = attempts;
    this.#logger = logger;
  }

  static async open(options: {
    dataDir: string;
    attempts: AttemptLogs;
    logger: Logger;
    /** Of one log; what comes after it is not stored. */
    maxBytes?: number;
  }): Promise<LogFiles> {
    const { attempts, logger, maxBytes = MAX_LOG_BYTES } = options;
    const folder = join(options.dataDir, "log");
    await mkdir(folder, { recursive: true });
    const files = new LogFiles(folder, maxBytes, attempts, logger);
    for (const name of await readdir(folder)) {
      const attempt = Number(/^(\d+)\.log$/.exec(name)?.[1]);
      // The process ended between the end of an attempt and the compression of its log.
      if (Number.isSafeInteger(attempt) && attempts.isEnded(attempt)) files.finish(attempt);
    }
    return files;
  }

  /**
   * Stores a piece of text that begins at byte `offset`. What is there already is skipped; a piece beyond the end is not stored.
   * Resolves to the number of bytes that are stored now: the next piece has to begin there. Beyond the limit nothing is stored, and the
   * answer is as if it were, so that whoever sends has nothing to send again.
   */
  async append(attempt: number, offset: number, text: string): Promise<number> {
    return this.#inOrder(attempt, async () => {
      const feed = await this.#feedOf(attempt);
      const bytes = Buffer.from(text);
      const end = offset + bytes.length;
      if (feed.size >= this.#maxBytes && end > feed.size) return end;
      if (feed.isFinished || offset > feed.size || end <= feed.size) return feed.size;
      const fresh = bytes.subarray(feed.size - offset, this.#maxBytes - offset);
      const handle = await this.#handleOf(attempt);
      await writeAt(handle, fresh, feed.size);
      feed.grow(fresh.length);
      return end;
    });
  }

  /** Nothing follows. The log is compressed in the background. */
  finish(attempt: number): void {
    this.#inOrder(attempt, async () => {
      this.#feeds.get(attempt)?.finish();
      this.#feeds.delete(attempt);
      await this.#handles.get(attempt)?.close();
      this.#handles.delete(attempt);
      await this.#compress(attempt);
    }).catch((error: unknown) => {
      this.#logger.warn({ err: error, attempt }, "a finished log stays uncompressed");
    });
  }

  async *text(attempt: number): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#bytes(attempt, 0)) {
      const text = decoder.decode(bytes, { stream: true });
      if (text !== "") yield text;
    }
    const rest = decoder.decode();
    if (rest !== "") yield rest;
  }

  async size(attempt: number): Promise<number> {
    const feed = this.#feeds.get(attempt);
    if (feed !== undefined) return feed.size;
    return sizeOf(this.#plain(attempt)) ?? this.#attempts.logBytes(attempt);
  }

  async *follow(
    attempt: number,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#followBytes(attempt, offset, signal)) {
      const text = decoder.decode(bytes, { stream: true });
      if (text !== "") yield text;
    }
  }

  async *#followBytes(
    attempt: number,
    offset: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const feed = await this.#feedOf(attempt);
    feed.followers += 1;
    try {
      for (let at = offset; ;) {
        for await (const bytes of this.#bytes(attempt, at)) {
          at += bytes.length;
          yield bytes;
        }
        if (at < feed.size) continue;
        if (feed.isFinished) break;
        await feed.changed(signal);
      }
    } finally {
      feed.followers -= 1;
      if (feed.followers === 0 && !this.#handles.has(attempt)) this.#feeds.delete(attempt);
    }
  }

  /** Waits until every log that ended has been compressed, and closes the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#tails.values());
    for (const handle of this.#handles.values()) await handle.close();
    this.#handles.clear();
  }

  #inOrder<T>(attempt: number, run: () => Promise<T>): Promise<T> {
    const result = (this.#tails.get(attempt) ?? Promise.resolve()).then(run);
    const tail = result.catch(() => undefined);
    this.#tails.set(attempt, tail);
    void tail.then(() => {
      if (this.#tails.get(attempt) === tail) this.#tails.delete(attempt);
    });
    return result;
  }

  async #feedOf(attempt: number): Promise<LogFeed> {
    const known = this.#feeds.get(attempt);
    if (known !== undefined) return known;
    const size = await this.size(attempt);
    const feed = this.#feeds.get(attempt) ?? new LogFeed(size);
    if (this.#attempts.isEnded(attempt)) feed.finish();
    else this.#feeds.set(attempt, feed);
    return feed;
  }

  async #handleOf(attempt: number): Promise<FileHandle> {
    const known = this.#handles.get(attempt);
    if (known !== undefined) return known;
    // Not "a": with O_APPEND a write at a position would go to the end all the same.
    const handle = await open(this.#plain(attempt), "r+").catch((error: unknown) => {
      if (isMissing(error)) return open(this.#plain(attempt), "wx+", 0o644);
      throw error;
    });
    this.#handles.set(attempt, handle);
    return handle;
  }

  /** What is stored from `offset` on, in either form. Only a compressed log has its size recorded; until then it may lie there plain. */
  async *#bytes(attempt: number, offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#attempts.logBytes(attempt) === 0) {
      try {
        yield* fileBytes(this.#plain(attempt), offset);
        return;
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    const small = this.#smallPacked(attempt);
    if (small !== null) {
      if (offset < small.length) yield small.subarray(offset);
      return;
    }
    try {
      yield* this.#decompressed(attempt, offset);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** All of a small log that is compressed, at once; null when it has to be read in pieces. */
  #smallPacked(attempt: number): Buffer | null {
    const size = this.#attempts.logBytes(attempt);
    const packed =
      size > 0 && size <= SMALL_BYTES ? this.#prompt.read(this.#packed(attempt)) : null;
    if (packed === null) return null;
    try {
      return decompress(packed);
    } catch {
      // Whoever reads it in pieces meets the same failure, and says what it is.
      return null;
    }
  }

  async *#decompressed(
    attempt: number,
    offset: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const decoder = new ZstdDecoder();
    let skip = offset;
    for await (const chunk of fileBytes(this.#packed(attempt), 0)) {
      for (const piece of decoder.decode(chunk)) {
        const rest = piece.subarray(Math.min(skip, piece.length));
        skip -= piece.length - rest.length;
        if (rest.length > 0) yield rest;
      }
    }
    decoder.end();
  }

  async #compress(attempt: number): Promise<void> {
    const plain = this.#plain(attempt);
    const bytes = sizeOf(plain);
    if (bytes === null) return;
    const draft = `${this.#packed(attempt)}.new`;
    if (bytes <= SMALL_BYTES) {
      await writeFile(draft, compress(await readFile(plain)), { flush: true });
    } else {
      await pipeline(
        createReadStream(plain),
        new CompressStream(),
        createWriteStream(draft, { flush: true }),
      );
    }
    await rename(draft, this.#packed(attempt));
    await this.#attempts.recordSize(attempt, bytes);
    await rm(plain);
  }

  #plain(attempt: number): string {
    return join(this.#folder, `${attempt}.log`);
  }

  #packed(attempt: number): string {
    return join(this.#folder, `${attempt}.log.zst`);
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Most builds say nothing and have no log. To look is a matter of microseconds, and of fifty when a thread does it and comes back with an error. */
function sizeOf(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.size ?? null;
}
