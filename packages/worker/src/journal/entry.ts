import { rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AssignmentResult, EvaluatedJob, EvaluationMessage, Phase } from "@gradient/protocol";
import { writeDurably, writeWhole } from "../atomic-file.ts";
import { LogFile } from "./log-file.ts";
import type { EvalBatch, JournalRecord, ProgressState } from "./record.ts";

/** Most phases of a small build are over before, also the wait for signatures that are made for many at once. */
const PHASE_WRITTEN_AFTER_MS = 2000;

/** One accepted assignment, in memory and on disk. */
export class JournalEntry {
  readonly record: JournalRecord;
  readonly log: LogFile;
  /** Its directory: nobody else's. */
  readonly directory: string;
  readonly #batches = new Map<number, EvalBatch>();
  #progress: ProgressState;
  #result: AssignmentResult | null;
  #onChange: () => void = () => undefined;
  #isDestroyed = false;
  #writing: Promise<void> = Promise.resolve();
  #phaseTimer: NodeJS.Timeout | undefined;

  constructor(
    directory: string,
    record: JournalRecord,
    found: {
      progress: ProgressState;
      batches: readonly EvalBatch[];
      result: AssignmentResult | null;
      logBytes: number;
    },
  ) {
    this.directory = directory;
    this.record = record;
    this.log = new LogFile(join(directory, "log"), found.logBytes);
    this.#progress = found.progress;
    this.#result = found.result;
    for (const batch of found.batches) this.#batches.set(batch.sequence, batch);
  }

  get progress(): ProgressState {
    return this.#progress;
  }

  get result(): AssignmentResult | null {
    return this.#result;
  }

  /** A build whose outputs are still to come. */
  get isBuilding(): boolean {
    const { phase } = this.#progress;
    const isOver = this.#result !== null || phase === "uploading" || phase === "signing";
    return this.record.spec.kind === "build" && !isOver;
  }

  /** Evaluation batches that nobody has acknowledged, by sequence. */
  get batches(): readonly EvalBatch[] {
    return [...this.#batches.values()];
  }

  /** Called whenever there is something new to send. */
  onChange(callback: () => void): void {
    this.#onChange = callback;
    this.log.onGrow(callback);
  }

  /** Written in passing, once it has lasted a while: after a restart it only words a message. */
  setPhase(phase: Phase, at: number): void {
    this.#progress = { ...this.#progress, phase, at };
    clearTimeout(this.#phaseTimer);
    this.#phaseTimer = setTimeout(() => {
      this.#writeProgress().catch(() => undefined);
    }, PHASE_WRITTEN_AFTER_MS);
    this.#phaseTimer.unref();
  }

  /** A new process goes on with it. */
  async noteResume(): Promise<void> {
    this.#progress = { ...this.#progress, resumes: this.#progress.resumes + 1 };
    await this.#writeProgress();
  }

  /** Keeps the next batch until it is acknowledged. */
  async addBatch(
    jobs: readonly EvaluatedJob[],
    messages: readonly EvaluationMessage[],
  ): Promise<void> {
    const sequence = this.#progress.batches;
    const batch: EvalBatch = { sequence, jobs: [...jobs], messages: [...messages] };
    await this.#write(async () => {
      await mkdir(join(this.directory, "batches"), { recursive: true, mode: 0o700 });
      await writeWhole(this.#batchFile(sequence), JSON.stringify(batch));
    });
    this.#progress = { ...this.#progress, batches: sequence + 1 };
    await this.#writeProgress();
    this.#batches.set(sequence, batch);
    this.#onChange();
  }

  /** Harmless for a batch that was acknowledged before. */
  async acknowledgeBatch(sequence: number): Promise<void> {
    if (!this.#batches.delete(sequence)) return;
    this.#onChange();
    await this.#write(() => rm(this.#batchFile(sequence), { force: true }));
  }

  /**
   * Keeps the result until it is acknowledged, also over a crash of the machine. When it cannot be written it rejects,
   * and the result is kept as long as this process lives.
   */
  async finish(result: AssignmentResult): Promise<void> {
    this.log.close();
    clearTimeout(this.#phaseTimer);
    try {
      await this.#write(() =>
        writeDurably(join(this.directory, "result.json"), JSON.stringify(result)),
      );
    } finally {
      this.#result = result;
      this.#onChange();
    }
  }

  /** Removes every trace. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    clearTimeout(this.#phaseTimer);
    this.log.close();
    await this.#writing;
    rmSync(this.directory, { recursive: true, force: true });
  }

  #batchFile(sequence: number): string {
    return join(this.directory, "batches", `${sequence}.json`);
  }

  #writeProgress(): Promise<void> {
    return this.#write(() =>
      writeWhole(join(this.directory, "state.json"), JSON.stringify(this.#progress)),
    );
  }

  /** One after the other, and none after the entry was forgotten. */
  async #write(write: () => Promise<void>): Promise<void> {
    const next = this.#writing.then(async () => {
      if (!this.#isDestroyed) await write();
    });
    // A failed write is told to its caller, not to the next one.
    this.#writing = next.catch(() => undefined);
    await next;
  }
}
