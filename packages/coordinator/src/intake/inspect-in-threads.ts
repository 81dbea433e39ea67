import { Worker } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { threadEntry } from "../thread-entry.ts";
import type { InspectedNar } from "./nar-inspection.ts";
import { createPieceRing } from "./piece-ring.ts";
import type {
  InspectJob,
  InspectOutput,
  Refusal,
  UnpackInput,
  UnpackJob,
  UnpackOutput,
} from "./thread-messages.ts";

/** Pieces that are unpacked before the first of them is inspected. */
const PIECES = 4;
const PIECE_BYTES = 512 * 1024;
/** Input that is handed over before the first of it is unpacked. */
const INPUTS = 4;
const INPUT_BYTES = 256 * 1024;
/** Megabytes: the threads make few objects that live. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/**
 * What the NAR in a zstd file is. One thread unpacks it and another one inspects what comes of it, while this one has its time for all else. What the source throws stays as it
 * is; one that is not read to its end is returned as soon as it gives something again. Throws UnprocessableError for a file that is damaged or ends too early, and what
 * NarInspection throws.
 */
export async function inspectInThreads(
  source: AsyncIterable<Uint8Array>,
  maxNarBytes: number,
): Promise<InspectedNar> {
  const unpacked = createPieceRing(PIECES, PIECE_BYTES);
  await using unpacking = new UnpackThread({ unpacked });
  await using inspecting = new InspectThread({ unpacked, maxNarBytes });
  unpacking.feed(source);
  const output = await Promise.race([inspecting.output, unpacking.failure]);
  if (output.type === "inspected") return output.nar;
  const { message, code } =
    output.type === "refused" ? output : await Promise.race([unpacking.refusal, unpacking.failure]);
  throw new UnprocessableError(message, { code });
}

class InspectThread implements AsyncDisposable {
  readonly output: Promise<InspectOutput>;
  readonly #thread: Worker;

  constructor(job: InspectJob) {
    const thread = startThread("intake/inspect-thread.js", job);
    this.#thread = thread;
    this.output = new Promise((resolve, reject) => {
      thread.on("message", resolve);
      thread.on("error", reject);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate();
  }
}

class UnpackThread implements AsyncDisposable {
  /** What is wrong with the file. */
  readonly refusal: Promise<Refusal>;
  /** Rejects when the source or the thread fails. */
  readonly failure: Promise<never>;
  readonly #thread: Worker;
  /** Those that may be written to. */
  readonly #inputs = Array.from({ length: INPUTS }, () => new ArrayBuffer(INPUT_BYTES));
  #isEnded = false;
  #fail: (error: unknown) => void = () => undefined;
  #wake: () => void = () => undefined;

  constructor(job: UnpackJob) {
    const thread = startThread("intake/unpack-thread.js", job);
    this.#thread = thread;
    this.refusal = new Promise((resolve) => {
      thread.on("message", (message: UnpackOutput) => {
        if (message.type === "refused") resolve(message);
        else this.#takeBack(message.buffer);
      });
    });
    this.failure = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    thread.on("error", this.#fail);
  }

  /** Hands the source over in the background. */
  feed(source: AsyncIterable<Uint8Array>): void {
    this.#feed(source).catch(this.#fail);
  }

  async #feed(source: AsyncIterable<Uint8Array>): Promise<void> {
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
      if (this.#isEnded) return null;
      const buffer = this.#inputs.pop();
      if (buffer !== undefined) return new Uint8Array(buffer);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #post(input: Uint8Array<ArrayBuffer>): void {
    this.#thread.postMessage(input satisfies UnpackInput, [input.buffer]);
  }

  #takeBack(input: ArrayBuffer): void {
    this.#inputs.push(input);
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    this.#wake();
    await this.#thread.terminate();
  }
}

function startThread(entry: string, workerData: UnpackJob | InspectJob): Worker {
  // Flags of the process (a test runner's export conditions) are not for compiled code.
  return new Worker(threadEntry(entry), {
    workerData,
    execArgv: [],
    resourceLimits: THREAD_LIMITS,
  });
}
