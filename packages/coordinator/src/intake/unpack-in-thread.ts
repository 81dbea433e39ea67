import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
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
  readonly #inputs = slots(INPUT_SLOTS, INPUT_BYTES);
  readonly #outputs = slots(OUTPUT_SLOTS, OUTPUT_BYTES);
  readonly #control = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;
  readonly #filled: number[] = [];
  #inputsAhead = 0;
  #isComplete = false;
  #failure: { error: unknown } | null = null;
  #wakeReader: () => void = () => undefined;
  #wakeFeeder: () => void = () => undefined;

  constructor() {
    Atomics.store(this.#control, FREE, OUTPUT_SLOTS);
    const workerData: UnpackJob = {
      inputs: this.#inputs,
      outputs: this.#outputs,
      control: this.#control,
    };
    // Flags of the process (a test runner's export conditions) are not for compiled code.
    this.#thread = new Worker(threadEntry(), {
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
    let current = 0;
    let filled = 0;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length;) {
        if (filled === 0 && !(await this.#hasInput())) return;
        const part = chunk.subarray(at, at + INPUT_BYTES - filled);
        slotAt(this.#inputs, current).set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < INPUT_BYTES) continue;
        this.#post(filled);
        current = (current + 1) % INPUT_SLOTS;
        filled = 0;
      }
    }
    if (filled > 0) this.#post(filled);
    this.#post(null);
  }

  /** Waits for an input slot that may be written to; false when nothing is wanted any more. */
  async #hasInput(): Promise<boolean> {
    while (this.#inputsAhead === INPUT_SLOTS && this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#wakeFeeder = resolve;
      });
    }
    return this.#failure === null;
  }

  #post(input: UnpackInput): void {
    this.#inputsAhead += 1;
    this.#thread.postMessage(input);
  }

  #take(message: UnpackOutput): void {
    if (message.type === "filled") {
      this.#filled.push(message.bytes);
    } else if (message.type === "end") {
      this.#isComplete = true;
    } else if (message.type === "damaged") {
      this.#fail(new UnprocessableError(message.message, { code: "bad_zstd" }));
    } else {
      this.#inputsAhead -= 1;
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

/** The compiled entry: beside this file, or, when this runs as TypeScript, where the compiler puts it. */
function threadEntry(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  const entry = new URL(
    isSource ? "../../dist/intake/unpack-thread.js" : "./unpack-thread.js",
    import.meta.url,
  );
  if (existsSync(entry)) return entry;
  throw new Error(`${entry.pathname} is missing: run 'npm run build' first`);
}
