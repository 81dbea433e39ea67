import type { AssignmentId, ToCoordinator } from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import type { JournalEntry } from "../journal/entry.ts";
import type { Journal } from "../journal/journal.ts";
import type { EvalBatch } from "../journal/record.ts";
import type { Logger } from "../logger.ts";

/** Bytes of logs that may be under way on one connection without being acknowledged. */
const LOG_WINDOW_BYTES = 1024 * 1024;
const LOG_PIECE_BYTES = 64 * 1024;
/** Evaluation batches of one assignment that may be under way. */
const BATCH_WINDOW = 16;
/** A result that was not acknowledged for so long is sent again: the coordinator may have failed on it. */
const RESEND_MS = 30_000;
/** A result waits for its log, so that nothing follows the end of an assignment; but not for ever. */
const LOG_PATIENCE_MS = 60_000;

/** What went out on the current connection. */
interface Cursor {
  logSent: number;
  batchSent: number;
  resultSentAt: number | null;
  /** Since when the result waits for its log. */
  heldSince: number | null;
  /** It cannot be read: the result goes without the rest. */
  isLogLost: boolean;
}

/**
 * Turns the journal into messages: evaluation batches, logs, results, each until it is acknowledged.
 * For one assignment the order is batches, log, result; between assignments whatever is shorter than a log goes first.
 * A new connection begins again at what was acknowledged, so nothing is lost; offsets and sequences make repetition harmless.
 */
export class Feed {
  readonly #journal: Journal;
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #acknowledged = new Map<AssignmentId, number>();
  #cursors = new Map<AssignmentId, Cursor>();
  #turn = 0;

  constructor(options: { journal: Journal; now: () => number; logger: Logger }) {
    this.#journal = options.journal;
    this.#now = options.now;
    this.#logger = options.logger;
  }

  /** Nothing of this connection was sent yet. */
  begin(): void {
    this.#cursors = new Map();
  }

  /** All bytes before `offset` are stored, and no others. Less than was told before means that some were lost: they are sent again. */
  acknowledgeLog(assignment: AssignmentId, offset: number): void {
    const entry = this.#journal.get(assignment);
    if (!entry) return;
    const known = this.#acknowledged.get(assignment) ?? 0;
    this.#acknowledged.set(assignment, Math.min(entry.log.size, offset));
    if (offset < known) this.#cursorOf(entry).logSent = offset;
  }

  /** The next message, or null when there is none, or none that the window allows. */
  async next(): Promise<ToCoordinator | null> {
    this.#forgetRemoved();
    const entries = this.#inTurn();
    for (const entry of entries) {
      const message = this.#nextBatch(entry) ?? this.#nextResult(entry);
      if (message) return message;
    }
    for (const entry of entries) {
      const message = await this.#nextLog(entry);
      if (message) return message;
    }
    return null;
  }

  /** What was acknowledged or dropped takes no part of the window any more. */
  #forgetRemoved(): void {
    for (const assignment of [...this.#acknowledged.keys(), ...this.#cursors.keys()]) {
      if (this.#journal.get(assignment)) continue;
      this.#acknowledged.delete(assignment);
      this.#cursors.delete(assignment);
    }
  }

  /** Starts with another entry each time, so that one chatty log does not silence the others. */
  #inTurn(): JournalEntry[] {
    const entries = this.#journal.entries();
    if (entries.length < 2) return entries;
    this.#turn = (this.#turn + 1) % entries.length;
    return [...entries.slice(this.#turn), ...entries.slice(0, this.#turn)];
  }

  #nextBatch(entry: JournalEntry): ToCoordinator | null {
    const cursor = this.#cursorOf(entry);
    const batch = unsentBatch(entry, cursor);
    if (!batch || inFlight(entry, cursor) >= BATCH_WINDOW) return null;
    cursor.batchSent = batch.sequence;
    return { type: "eval-jobs", ...referenceOf(entry), ...batch };
  }

  #nextResult(entry: JournalEntry): ToCoordinator | null {
    const { result } = entry;
    const cursor = this.#cursorOf(entry);
    if (result === null || unsentBatch(entry, cursor)) return null;
    const now = this.#now();
    if (cursor.resultSentAt !== null && now - cursor.resultSentAt < RESEND_MS) return null;
    if (cursor.logSent < entry.log.size && !cursor.isLogLost) {
      cursor.heldSince ??= now;
      if (now - cursor.heldSince < LOG_PATIENCE_MS) return null;
    }
    cursor.resultSentAt = now;
    return { type: "result", ...referenceOf(entry), result };
  }

  async #nextLog(entry: JournalEntry): Promise<ToCoordinator | null> {
    const cursor = this.#cursorOf(entry);
    const room = Math.min(LOG_PIECE_BYTES, LOG_WINDOW_BYTES - this.#logBytesInFlight());
    // A few bytes of room may be less than one character.
    if (cursor.logSent >= entry.log.size || room < 4 || cursor.isLogLost) return null;
    const offset = cursor.logSent;
    const piece = await entry.log.read(offset, room).catch((error: unknown) => {
      const { assignment } = entry.record;
      // Acknowledged, and so removed, while it was read.
      if (this.#journal.get(assignment) === undefined) return null;
      // One log that is broken is no reason to hold up all others. The next connection tries it again.
      cursor.isLogLost = true;
      this.#logger.error({ assignment, reason: reasonOf(error) }, "log cannot be read");
      return null;
    });
    if (cursor.isLogLost) return this.#nextResult(entry);
    if (piece === null || piece.bytes === 0) return null;
    cursor.logSent = offset + piece.bytes;
    return { type: "log", ...referenceOf(entry), offset, text: piece.text };
  }

  #logBytesInFlight(): number {
    let sum = 0;
    for (const [assignment, { logSent }] of this.#cursors) {
      sum += Math.max(0, logSent - (this.#acknowledged.get(assignment) ?? 0));
    }
    return sum;
  }

  #cursorOf(entry: JournalEntry): Cursor {
    const { assignment } = entry.record;
    const known = this.#cursors.get(assignment);
    if (known) return known;
    const cursor: Cursor = {
      logSent: this.#acknowledged.get(assignment) ?? 0,
      batchSent: -1,
      resultSentAt: null,
      heldSince: null,
      isLogLost: false,
    };
    this.#cursors.set(assignment, cursor);
    return cursor;
  }
}

function unsentBatch(entry: JournalEntry, cursor: Cursor): EvalBatch | undefined {
  return entry.batches.find(({ sequence }) => sequence > cursor.batchSent);
}

function inFlight(entry: JournalEntry, cursor: Cursor): number {
  return entry.batches.filter(({ sequence }) => sequence <= cursor.batchSent).length;
}

function referenceOf({ record }: JournalEntry) {
  return { assignment: record.assignment, fencing: record.fencing };
}
