import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  assignmentIdSchema,
  assignmentResultSchema,
  type AssignmentId,
  type AssignmentResult,
} from "@gradient/protocol";
import type { z } from "zod";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { JournalEntry } from "./entry.ts";
import {
  evalBatchSchema,
  interruptedResult,
  progressStateSchema,
  recordSchema,
  withoutSecrets,
  type EvalBatch,
  type JournalRecord,
  type ProgressState,
} from "./record.ts";

/**
 * Everything that the worker has accepted and the coordinator has not yet acknowledged: one directory for each assignment,
 * `<directory>/<assignment id>/` with
 *
 *   spec.json            what was accepted
 *   state.json           phase, and number of evaluation batches
 *   log                  the build's log, appended
 *   end.json             how the build ended, for a daemon that was not there
 *   batches/<n>.json     evaluation batches that are not acknowledged
 *   result.json          how it ended; only when it has
 *
 * A process that starts on a directory without a result goes on with the work, or gives it a result that says that the work
 * died with the process before.
 */
export class Journal {
  readonly #directory: string;
  readonly #entries = new Map<AssignmentId, JournalEntry>();
  #onChange: () => void = () => undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads what an earlier process left. What `mayResume` says yes to stays unfinished. Throws UserError when the directory
   * cannot be used.
   */
  static async open(
    directory: string,
    logger: Logger,
    mayResume: (entry: JournalEntry) => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<Journal> {
    let names: string[];
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      names = await readdir(directory);
    } catch (cause) {
      throw new UserError("state-dir", `cannot use ${directory}: ${reasonOf(cause)}`, { cause });
    }
    const journal = new Journal(directory);
    for (const name of names.toSorted()) {
      const entry = await restore(join(directory, name), name, logger);
      if (entry === null) continue;
      if (entry.result === null && !(await mayResume(entry))) {
        await finishInterrupted(entry, logger);
      }
      journal.#add(entry);
    }
    return journal;
  }

  /** Called whenever an entry has something new to send. */
  onChange(callback: () => void): void {
    this.#onChange = callback;
  }

  get(assignment: AssignmentId): JournalEntry | undefined {
    return this.#entries.get(assignment);
  }

  entries(): JournalEntry[] {
    return [...this.#entries.values()];
  }

  /**
   * Writes down what is about to be accepted. Synchronous on purpose, as `JournalEntry.destroy` is: an offer waits for it, and each of these calls takes the kernel some
   * microseconds and Node many times as much when it is asked to wait for it.
   */
  create(record: JournalRecord): JournalEntry {
    const directory = join(this.#directory, record.assignment);
    const kept = { ...record, spec: withoutSecrets(record.spec) };
    mkdirSync(directory, { mode: 0o700 });
    try {
      // Half of one cannot be read, and nothing was promised then: it needs no file of another name first.
      writeFileSync(join(directory, "spec.json"), JSON.stringify(kept), {
        flag: "wx",
        mode: 0o600,
      });
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    const progress = initialProgress(kept);
    const entry = new JournalEntry(directory, kept, {
      progress,
      batches: [],
      result: null,
      logBytes: 0,
    });
    this.#add(entry);
    return entry;
  }

  /** Forgets an assignment for good. */
  async remove(entry: JournalEntry): Promise<void> {
    this.#entries.delete(entry.record.assignment);
    await entry.destroy();
  }

  #add(entry: JournalEntry): void {
    this.#entries.set(entry.record.assignment, entry);
    entry.onChange(() => this.#onChange());
  }
}

function initialProgress(record: JournalRecord): ProgressState {
  return { phase: "preparing", at: record.acceptedAt, batches: 0, resumes: 0 };
}

async function restore(
  directory: string,
  name: string,
  logger: Logger,
): Promise<JournalEntry | null> {
  if (!assignmentIdSchema.safeParse(name).success) {
    logger.warn({ directory }, "foreign directory in the journal is left alone");
    return null;
  }
  const record = await readJson(join(directory, "spec.json"), recordSchema);
  if (record === null || record.assignment !== name) {
    logger.warn({ directory }, "journal directory without a readable spec is removed");
    await rm(directory, { recursive: true, force: true });
    return null;
  }
  const progress =
    (await readJson(join(directory, "state.json"), progressStateSchema)) ?? initialProgress(record);
  const batches = await readBatches(join(directory, "batches"));
  const logBytes = await sizeOf(join(directory, "log"));
  const result = await readJson(join(directory, "result.json"), assignmentResultSchema);
  return new JournalEntry(directory, record, { progress, batches, result, logBytes });
}

async function finishInterrupted(entry: JournalEntry, logger: Logger): Promise<void> {
  const { record, progress, log } = entry;
  log.close();
  const result: AssignmentResult = interruptedResult(record, progress, log.size);
  await entry.finish(result);
  logger.warn(
    { assignment: record.assignment, kind: record.spec.kind, phase: progress.phase },
    "assignment ended with the worker that ran it",
  );
}

async function readBatches(directory: string): Promise<EvalBatch[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (isAbsence(error)) return [];
    throw error;
  });
  const read = await Promise.all(
    names.map((name) => readJson(join(directory, name), evalBatchSchema)),
  );
  return read.filter((batch) => batch !== null).toSorted((a, b) => a.sequence - b.sequence);
}

async function sizeOf(path: string): Promise<number> {
  const stats = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  });
  return stats?.size ?? 0;
}

/** Also when a file is where a directory should be, or the other way round. */
function isAbsence(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR";
}

/** null for a file that is missing or is not what it should be. */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (isAbsence(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}
