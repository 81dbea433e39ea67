import { Worker } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { threadEntry } from "../thread-entry.ts";
import {
  FREE,
  slotAt,
  type UnpackInput,
  type UnpackJob,
  type UnpackOutput,
} from "./unpack-messages.ts";

/** Pieces that are made before the first of them is read. */
const OUTPUT_SLOTS = 4;
const OUTPUT_BYTES = 1024 * 1024;
/** Input that is handed over before the first of it is unpacked. */
const INPUT_SLOTS = 4;
const INPUT_BYTES = 256 * 1024;
/** Megabytes: the thread makes no objects that live. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/**
 * The bytes of a zstd file, unpacked by a thread of its own while this one reads them. A piece holds until the next one is asked for. What the source throws stays as it
 * is; one that is not read to its end is returned as soon as it gives something again. Throws UnprocessableError for a file that is damaged or ends too early.
 */
export async function* unpackInThread(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const thread = new UnpackThread();
  try {
    thread.feed(source);
    yield* thread.pieces();
  } finally {
    await thread.end();
  }
}

class UnpackThread {
  /** Inputs that may be written to. */
  readonly #inputs = Array.from({ length: INPUT_SLOTS }, () => new ArrayBuffer(INPUT_BYTES));
  readonly #outputs = slots(OUTPUT_SLOTS, OUTPUT_BYTES);
  readonly #control = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;
  readonly #filled: number[] = [];
  #isComplete = false;
  #failure: { error: unknown } | null = null;
  #wakeReader: () => void = () => undefined;
  #wakeFeeder: () => void = () => undefined;

  constructor() {
    Atomics.store(this.#control, FREE, OUTPUT_SLOTS);
    const workerData: UnpackJob = { outputs: this.#outputs, control: this.#control };
    // Flags of the process (a test runner's export conditions) are not for compiled code.
    this.#thread = new Worker(threadEntry("intake/unpack-thread.js"), {
      workerData,
      execArgv: [],
      resourceLimits: THREAD_LIMITS,
    });
    this.#thread.on("message", (message: UnpackOutput) => this.#take(message));
    this.#thread.on("error", (error) => this.#fail(error));
    this.#thread.on("exit", () => {
      if (!this.#isComplete) this.#fail(new Error("the thread that unpacks ended too early"));
    });
  }

  /** Hands the source over in the background. */
  feed(source: AsyncIterable<Uint8Array>): void {
    this.#feedAll(source).catch((error: unknown) => this.#fail(error));
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; ; at = (at + 1) % OUTPUT_SLOTS) {
      while (this.#filled.length === 0) {
        if (this.#failure !== null) throw this.#failure.error;
        if (this.#isComplete) return;
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
      yield slotAt(this.#outputs, at).subarray(0, this.#filled.shift());
      Atomics.add(this.#control, FREE, 1);
      Atomics.notify(this.#control, FREE);
    }
  }

  async end(): Promise<void> {
    this.#fail(new Error("nothing is read any more"));
    await this.#thread.terminate();
  }

  async #feedAll(source: AsyncIterable<Uint8Array>): Promise<void> {
    let input: Uint8Array<ArrayBuffer> | null = null;
    let filled = 0;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length;) {
        input ??= await this.#nextInput();
        if (input === null) return;
        const part = chunk.subarray(at, at + INPUT_BYTES - filled);
        input.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < INPUT_BYTES) continue;
        this.#post(input);
        input = null;
        filled = 0;
      }
    }
    if (input !== null) this.#post(input.subarray(0, filled));
    this.#thread.postMessage(null satisfies UnpackInput);
  }

  /** Waits for an input that may be written to; null when nothing is wanted any more. */
  async #nextInput(): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      if (this.#failure !== null) return null;
      const buffer = this.#inputs.pop();
      if (buffer !== undefined) return new Uint8Array(buffer);
      await new Promise<void>((resolve) => {
        this.#wakeFeeder = resolve;
      });
    }
  }

  #post(input: Uint8Array<ArrayBuffer>): void {
    this.#thread.postMessage(input satisfies UnpackInput, [input.buffer]);
  }

  #take(message: UnpackOutput): void {
    if (message.type === "filled") {
      this.#filled.push(message.bytes);
    } else if (message.type === "end") {
      this.#isComplete = true;
    } else if (message.type === "damaged") {
      this.#fail(new UnprocessableError(message.message, { code: "bad_zstd" }));
    } else {
      this.#inputs.push(message.buffer);
      this.#wakeFeeder();
    }
    this.#wakeReader();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wakeReader();
    this.#wakeFeeder();
  }
}

function slots(count: number, bytes: number): Uint8Array<SharedArrayBuffer>[] {
  return Array.from({ length: count }, () => new Uint8Array(new SharedArrayBuffer(bytes)));
}
