import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { EvaluatedJob, EvaluationMessage } from "@gradient/protocol";
import type { EvaluationEvent } from "../../ports.ts";

/** Enough for a round trip to be worth it; small enough for builds to start early. The first batch is not waited for. */
const BATCH_JOBS = 50;
const BATCH_DELAY_MS = 100;
/** While an upload takes long, what comes meanwhile goes together. Characters are up to 6 bytes each in a frame of at most 4 MiB. */
const MAX_BATCH_JOBS = 500;
const MAX_BATCH_CHARACTERS = 500_000;
const MAX_TEXT_CHARACTERS = 60_000;

export interface Batch {
  readonly jobs: EvaluatedJob[];
  readonly messages: EvaluationMessage[];
}

/**
 * Gathers what an evaluation tells and hands it on in batches, one at a time and in order, while the evaluation runs.
 * A failed delivery is told by `failed` at once and by `end` in any case.
 */
export class Delivery {
  /** Rejects when a delivery fails; never resolves. */
  readonly failed: Promise<never>;
  readonly #deliver: (batch: Batch) => Promise<void>;
  readonly #running: Promise<void>;
  #events: EvaluationEvent[] = [];
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(deliver: (batch: Batch) => Promise<void>) {
    this.#deliver = deliver;
    this.#running = this.#run();
    this.failed = new Promise((_resolve, reject) => {
      this.#running.catch(reject);
    });
    // Whoever does not race it hears of it from `end`.
    this.failed.catch(() => undefined);
  }

  /** Goes with the next batch. Texts that are too long are cut. */
  add(event: EvaluationEvent): void {
    this.#events.push(shortened(event));
    if (this.#events.length === 1 || this.#events.length >= BATCH_JOBS) this.#wake();
  }

  /** Delivers the rest. Rejects when a delivery failed. */
  async end(): Promise<void> {
    this.#isEnded = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let isFirst = true; ; isFirst = false) {
      while (this.#events.length === 0) {
        if (this.#isEnded) return;
        await this.#something();
      }
      await (isFirst ? nextTurn() : this.#untilWorthIt());
      await this.#deliver(this.#take());
    }
  }

  /** Waits for more events, but not long. */
  async #untilWorthIt(): Promise<void> {
    const timeout = new AbortController();
    const late = sleep(BATCH_DELAY_MS, true, { signal: timeout.signal }).catch(() => true);
    let isLate = false;
    while (!isLate && !this.#isEnded && this.#events.length < BATCH_JOBS) {
      isLate = await Promise.race([late, this.#something().then(() => false)]);
    }
    timeout.abort();
  }

  #take(): Batch {
    const batch: Batch = { jobs: [], messages: [] };
    let characters = 0;
    let count = 0;
    for (const event of this.#events) {
      if (count >= MAX_BATCH_JOBS || characters >= MAX_BATCH_CHARACTERS) break;
      if (event.type === "job") batch.jobs.push(event.job);
      else batch.messages.push(event.message);
      characters += textOf(event).length;
      count += 1;
    }
    this.#events = this.#events.slice(count);
    return batch;
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function textOf(event: EvaluationEvent): string {
  if (event.type === "message") return event.message.text;
  return event.job.outcome === "error" ? event.job.error : event.job.drvPath;
}

/** The head of a text tells what is wrong; Nix's traces can be megabytes. */
function shortened(event: EvaluationEvent): EvaluationEvent {
  const text = textOf(event);
  if (text.length <= MAX_TEXT_CHARACTERS) return event;
  const short = `${text.slice(0, MAX_TEXT_CHARACTERS)}\n[${text.length - MAX_TEXT_CHARACTERS} more characters left out]`;
  if (event.type === "message")
    return { type: "message", message: { ...event.message, text: short } };
  if (event.job.outcome === "error") return { type: "job", job: { ...event.job, error: short } };
  return event;
}
