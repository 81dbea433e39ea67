import { reasonOf } from "../../error-facts.ts";
import type { DaemonConnection } from "../daemon/connection.ts";
import { addText } from "../daemon/operations.ts";
import { DaemonProtocolError } from "../nix-error.ts";
import { Rest } from "../../rest.ts";
import type { TextFile } from "./text-file.ts";

/** So many are written in one go: whoever waits for the first of them waits for all. */
const MAX_BATCH = 100;
/** Handing over one text costs both processes as much as handing over many: so many are waited for, as long as nobody needs one. */
const GATHERED = 32;
const GATHER_MS = 20;
/** Each answer would wake us while the other process writes the next: they are read together, unless somebody waits. */
const ANSWER_MS = 10;
/** Of texts that are not written yet. A single larger one is taken all the same. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;

interface Entry {
  readonly path: string;
  readonly sizeBytes: number;
  /** To add it, in the protocol's words. */
  readonly request: Buffer;
  readonly written: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes text files into the store through one connection, in the order in which they come, behind the back of whoever adds them.
 * The daemon's process keeps what it wrote from being collected until the writer is closed.
 */
export class TextWriter implements AsyncDisposable {
  readonly #connection: Promise<DaemonConnection>;
  readonly #close: (connection: DaemonConnection) => Promise<void>;
  readonly #written = new Set<string>();
  /** In the order in which they are written. */
  readonly #unwritten = new Map<string, Entry>();
  #queue: Entry[] = [];
  #last: Promise<void> = Promise.resolve();
  #heldBytes = 0;
  #isRunning = false;
  #isGathering = false;
  /** Somebody waits for something in the queue. */
  #isUrgent = false;
  /** Hardly anything is added any more. */
  #isEnding = false;
  readonly #pause = new Rest();
  #failure: { error: unknown } | null = null;

  constructor(
    connection: Promise<DaemonConnection>,
    close: (connection: DaemonConnection) => Promise<void>,
  ) {
    this.#connection = connection;
    this.#close = close;
    connection.catch(() => {});
  }

  /**
   * `request` is to add it, in the protocol's words. null while there is room for more, else what to wait for. Throws when an earlier
   * text could not be written.
   */
  add({ path, contents }: TextFile, request: Buffer): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.has(path)) return null;
    const entry = newEntry({ path, sizeBytes: contents.length, request });
    this.#unwritten.set(path, entry);
    this.#queue.push(entry);
    this.#last = entry.written;
    this.#heldBytes += contents.length;
    if (!this.#isRunning) void this.#run();
    if (this.#isGathering && this.#queue.length >= GATHERED) this.#pause.end();
    const [oldest] = this.#unwritten.values();
    if (this.#heldBytes <= MAX_HELD_BYTES || oldest === undefined) return null;
    this.#urge();
    return oldest.written;
  }

  /** Whether the path was added, and so is valid once it is written. */
  has(path: string): boolean {
    return this.#written.has(path) || this.#unwritten.has(path);
  }

  /** Resolves when the path is in the store, and at once for one that was not added. Rejects when it could not be written. */
  async settled(path: string): Promise<void> {
    await this.#unwritten.get(path)?.written;
  }

  /** As `settled`, for an evaluator, which does nothing else meanwhile. */
  async needed(path: string): Promise<void> {
    if (this.#unwritten.has(path)) this.#urge();
    await this.settled(path);
  }

  /** Why there is no connection; null when there is one. */
  refusal(): Promise<string | null> {
    return this.#connection.then(() => null, reasonOf);
  }

  /** Why a text could not be written, and none after it will be. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Resolves when all that was added until now is in the store. */
  async flush(): Promise<void> {
    if (this.#unwritten.size > 0) this.#urge();
    await this.#last;
  }

  /** From here on nothing is waited for to go with what was added: hardly anything comes. */
  hurry(): void {
    this.#isEnding = true;
    this.#pause.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connection = await this.#connection.catch(() => null);
    if (connection !== null) await this.#close(connection);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      const connection = await this.#connection;
      while (this.#queue.length > 0) {
        await this.#gather();
        const batch = this.#queue.slice(0, MAX_BATCH);
        this.#queue = this.#queue.slice(MAX_BATCH);
        const calls = batch.map(({ request }) => addText(request));
        const paths = await connection.callAll(calls, () => this.#rest(ANSWER_MS));
        for (const [index, entry] of batch.entries()) this.#settle(entry, paths[index]);
        this.#isUrgent &&= this.#queue.length > 0;
      }
      this.#isRunning = false;
    } catch (error) {
      this.#failure = { error };
      for (const entry of this.#unwritten.values()) entry.reject(error);
    }
  }

  /** Waits for more texts to go with those of the queue. */
  async #gather(): Promise<void> {
    if (this.#queue.length >= GATHERED) return;
    this.#isGathering = true;
    await this.#rest(GATHER_MS);
    this.#isGathering = false;
  }

  /** Does nothing for a while, if nobody waits. */
  async #rest(ms: number): Promise<void> {
    if (this.#isUrgent || this.#isEnding) return;
    await this.#pause.take(ms);
  }

  #urge(): void {
    this.#isUrgent = true;
    this.#pause.end();
  }

  #settle(entry: Entry, answered: string | undefined): void {
    const { path, sizeBytes } = entry;
    if (answered !== path) {
      throw new DaemonProtocolError(`nix-daemon wrote ${answered} in place of ${path}`);
    }
    this.#unwritten.delete(path);
    this.#written.add(path);
    this.#heldBytes -= sizeBytes;
    entry.resolve();
  }
}

function newEntry(added: Pick<Entry, "path" | "sizeBytes" | "request">): Entry {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const written = new Promise<void>((onWritten, onError) => {
    resolve = onWritten;
    reject = onError;
  });
  // Whoever needs it asks for it.
  written.catch(() => {});
  return { ...added, written, resolve, reject };
}
