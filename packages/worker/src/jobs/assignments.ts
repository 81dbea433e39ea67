import { setMaxListeners } from "node:events";
import type {
  AssignmentId,
  AssignmentKind,
  AssignmentResult,
  Fencing,
  Hello,
  LinkFeature,
  Offer,
  Phase,
  ToCoordinator,
  UsageReport,
  Welcome,
} from "@gradient/protocol";
import { WorkerError } from "../errors.ts";
import { reasonOf } from "../error-facts.ts";
import type { JournalEntry } from "../journal/entry.ts";
import type { Journal } from "../journal/journal.ts";
import { failedResult, subjectOf } from "../journal/record.ts";
import type { Logger } from "../logger.ts";
import { JobAccount } from "./account.ts";
import { Ahead } from "./ahead.ts";
import { reasonToDecline, type AdmissionState } from "./admission.ts";
import { failureOf, JobEndedError, type Job } from "./job.ts";

const SIGNING_PHASE: LinkFeature = "signing-phase";
const LIVE_USAGE: LinkFeature = "live-usage";

/** A build that is over within this time is not told as started before. */
const NOTICE_MS = 50;

/** Does one accepted assignment. `spec` still has its credentials. */
export type RunJob = (spec: Offer["spec"], job: Job) => Promise<AssignmentResult>;

/** Names an assignment in a message. */
export interface AssignmentReference {
  readonly assignment: AssignmentId;
  readonly fencing: Fencing;
}

/** What a running build has used so far, as it is reported. */
export type BuildFigures = Omit<UsageReport["builds"][number], "fencing">;

interface Running {
  readonly offer: Offer;
  readonly controller: AbortController;
  phase: Phase;
  phaseAt: number;
  /** Tells of a build that has started. */
  notice?: NodeJS.Timeout;
  /** Of an offer ahead, which is not accepted before its input is built. */
  readonly ahead: Ahead | null;
  /** Nobody wants its result. */
  isDropped: boolean;
}

export interface AssignmentsOptions {
  readonly journal: Journal;
  readonly machine: Pick<
    AdmissionState,
    "capabilities" | "systems" | "systemFeatures" | "maxConcurrentBuilds"
  >;
  readonly run: RunJob;
  /** Called when the work is done: what it kept for itself can go. Never rejects. */
  readonly release: (assignment: AssignmentId) => Promise<void>;
  /** Sends ahead of results and logs, when a session is accepted. */
  readonly send: (message: ToCoordinator) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

/**
 * Everything the worker has accepted. From accept to result only a cancel or the end of the process stops an assignment; from result to
 * acknowledgement it lies in the journal.
 */
export class Assignments {
  readonly #options: AssignmentsOptions;
  readonly #running = new Map<AssignmentId, Running>();
  /** What the coordinator understands, as it said last. */
  #features: ReadonlySet<string> = new Set();
  #isDraining = false;
  #isLeaving = false;
  #onQuiet: () => void = () => undefined;

  constructor(options: AssignmentsOptions) {
    this.#options = options;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** What runs, and what waits for its acknowledgement. */
  list(): Hello["assignments"] {
    const running = [...this.#accepted()].map(({ offer }) => ({
      assignment: offer.assignment,
      fencing: offer.fencing,
      state: "running" as const,
    }));
    const finished = this.#options.journal
      .entries()
      .filter(({ record }) => !this.#running.has(record.assignment))
      .map(({ record }) => ({
        assignment: record.assignment,
        fencing: record.fencing,
        state: "finished" as const,
      }));
    return [...running, ...finished];
  }

  /** Follows the coordinator's word on each assignment that it was told of. What it wants to have is sent in any case. */
  welcomed({ features, reconcile }: Pick<Welcome, "features" | "reconcile">): void {
    this.#features = new Set(features);
    for (const { action, ...reference } of reconcile) {
      if (action === "cancel") this.cancel(reference, "it is no longer wanted");
      if (action === "drop") this.#drop(reference);
    }
    for (const { offer, phase, phaseAt } of this.#accepted()) {
      this.#sendProgress(offer, phase, phaseAt);
    }
  }

  /** Offers end with the session that they came with. */
  lost(): void {
    this.#withdraw(isWaiting);
  }

  /** Accepts or declines. An offer that comes twice is accepted twice and runs once. */
  offer(offer: Offer): void {
    const { assignment, fencing } = offer;
    const known = this.#running.get(assignment);
    if (known !== undefined && isWaiting(known)) return;
    if (known !== undefined || this.#options.journal.get(assignment)) {
      this.#options.send({ type: "accept", assignment, fencing });
      return;
    }
    const reason = reasonToDecline(offer, this.#state());
    if (reason !== null) {
      this.#options.send({ type: "decline", assignment, fencing, reason });
      return;
    }
    const at = this.#options.now();
    const running: Running = {
      offer,
      controller: jobController(),
      phase: "preparing",
      phaseAt: at,
      ahead: this.#aheadOf(offer),
      isDropped: false,
    };
    this.#running.set(assignment, running);
    void this.#perform(running, at);
  }

  /** Goes on with what an earlier process had accepted. */
  resume(entry: JournalEntry): void {
    const { record, progress } = entry;
    const running: Running = {
      offer: { type: "offer", ...record },
      controller: jobController(),
      phase: progress.phase,
      phaseAt: progress.at,
      ahead: null,
      isDropped: false,
    };
    this.#running.set(record.assignment, running);
    const { assignment, spec } = record;
    const logger = this.#options.logger.child({ assignment, kind: spec.kind });
    logger.info({ subject: subjectOf(spec), phase: progress.phase }, "assignment goes on");
    void entry
      .noteResume()
      .catch((error: unknown) => logger.error({ error }, "the journal cannot be written"))
      .then(() => this.#work(running, entry, logger));
  }

  /** Ends the work; its result tells that it was cancelled. Nothing happens when it has ended already. */
  cancel(reference: AssignmentReference, reason: string): void {
    const running = this.#find(reference);
    if (!running) return;
    if (isWaiting(running)) {
      this.#withdraw((each) => each === running);
      return;
    }
    this.#options.logger.info({ ...reference, reason }, "assignment is cancelled");
    running.controller.abort(new JobEndedError("cancel", `cancelled: ${reason}`));
  }

  /** The result was handled for good. */
  async acknowledge(
    reference: AssignmentReference,
    answer: { accepted: boolean; reason: string | null },
  ): Promise<void> {
    const entry = this.#finished(reference);
    if (!entry) return;
    if (!answer.accepted) {
      this.#options.logger.warn({ ...reference, reason: answer.reason }, "result was not accepted");
    }
    await this.#forget(entry);
  }

  /** The coordinator has the batch: it leaves the disk. Harmless for another holder's assignment. */
  async acknowledgeBatch(reference: AssignmentReference, sequence: number): Promise<void> {
    const entry = this.#options.journal.get(reference.assignment);
    if (entry?.record.fencing === reference.fencing) await entry.acknowledgeBatch(sequence);
  }

  /** Tells what builds have used so far; those that have ended meanwhile are left out. */
  reportUsage(figures: readonly BuildFigures[]): void {
    if (!this.#features.has(LIVE_USAGE)) return;
    const builds = figures.flatMap((each) => {
      const running = this.#running.get(each.assignment);
      return running?.phase === "building" ? [{ ...each, fencing: running.offer.fencing }] : [];
    });
    if (builds.length > 0) this.#options.send({ type: "usage", builds });
  }

  /** Takes nothing new from now on. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#withdraw(isWaiting);
    this.#options.send({ type: "draining" });
  }

  /** Ends everything that runs, because the process has to go. */
  endAll(reason: string): void {
    this.#withdraw(isWaiting);
    for (const { controller } of this.#running.values()) {
      controller.abort(new JobEndedError("shutdown", reason));
    }
  }

  /** Stops without an end of anything: the next process goes on with it, or tells that it was interrupted. */
  leave(reason: string): void {
    this.#withdraw(isWaiting);
    this.#isLeaving = true;
    for (const assignment of this.#running.keys())
      this.#options.journal.get(assignment)?.log.leave();
    this.endAll(reason);
  }

  /** Resolves when nothing runs; with `everything`, when every result is acknowledged too. Rejects with the signal's reason. */
  async quiet(signal: AbortSignal, { everything }: { everything: boolean }): Promise<void> {
    const isQuiet = (): boolean =>
      this.#running.size === 0 && (!everything || this.#options.journal.entries().length === 0);
    const wake = (): void => this.#onQuiet();
    signal.addEventListener("abort", wake);
    try {
      while (!isQuiet()) {
        signal.throwIfAborted();
        await new Promise<void>((resolve) => {
          this.#onQuiet = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  *#accepted(): Generator<Running> {
    for (const running of this.#running.values()) if (!isWaiting(running)) yield running;
  }

  /** What an offer waits for; null when it need not. */
  #aheadOf({ after }: Offer): Ahead | null {
    const input = after === undefined ? undefined : this.#running.get(after);
    if (input === undefined || input.offer.spec.kind !== "build" || isBuilt(input.phase))
      return null;
    return new Ahead(input.offer.assignment, input.offer.spec.drvPath);
  }

  /** Forgets offers that were not accepted. */
  #withdraw(isMeant: (running: Running) => boolean): void {
    for (const running of this.#running.values()) {
      if (!isMeant(running)) continue;
      running.isDropped = true;
      running.controller.abort(new JobEndedError("cancel", "what it needs is not built here"));
    }
  }

  #state(): AdmissionState {
    const running: Record<AssignmentKind, number> = {
      fetch: 0,
      eval: 0,
      build: 0,
      sign: 0,
      restore: 0,
    };
    let uploading = 0;
    for (const { offer, phase } of this.#accepted()) {
      if (offer.spec.kind === "build" && phase === "uploading") uploading += 1;
      else if (phase === "signing") continue;
      else running[offer.spec.kind] += 1;
    }
    const isDraining = this.#isDraining || this.#isLeaving;
    return { ...this.#options.machine, isDraining, running, uploading };
  }

  #find({ assignment, fencing }: AssignmentReference): Running | null {
    const running = this.#running.get(assignment);
    return running?.offer.fencing === fencing ? running : null;
  }

  #finished({ assignment, fencing }: AssignmentReference): JournalEntry | null {
    if (this.#running.has(assignment)) return null;
    const entry = this.#options.journal.get(assignment);
    return entry?.record.fencing === fencing ? entry : null;
  }

  #drop(reference: AssignmentReference): void {
    const running = this.#find(reference);
    if (running) {
      running.isDropped = true;
      running.controller.abort(new JobEndedError("cancel", "cancelled: nobody waits for it"));
      return;
    }
    const entry = this.#finished(reference);
    if (entry) void this.#forget(entry);
  }

  /** Never rejects: whatever happens becomes a result. */
  async #perform(running: Running, acceptedAt: number): Promise<void> {
    const { offer } = running;
    const { assignment, fencing, organization, leaseMs, spec } = offer;
    const logger = this.#options.logger.child({ assignment, kind: spec.kind });
    try {
      const record = { assignment, fencing, organization, acceptedAt, leaseMs, spec };
      const entry = this.#options.journal.create(record);
      if (!isWaiting(running)) this.#accept(running);
      await this.#work(running, entry, logger);
    } catch (error) {
      // Only the journal can have failed.
      const reason = `the worker's journal cannot be written: ${reasonOf(error)}`;
      logger.error({ error }, "assignment declined: the journal cannot be written");
      this.#options.send({ type: "decline", assignment, fencing, reason });
      this.#running.delete(assignment);
      this.#onQuiet();
    }
  }

  #accept({ offer: { assignment, fencing, spec } }: Running, built?: AssignmentReference): void {
    this.#options.send({ type: "accept", assignment, fencing, ...(built ? { built } : {}) });
    const logger = this.#options.logger;
    logger.debug({ assignment, kind: spec.kind, subject: subjectOf(spec) }, "assignment accepted");
  }

  async #work(running: Running, entry: JournalEntry, logger: Logger): Promise<void> {
    const { assignment } = running.offer;
    const result = await this.#result(running, entry, logger);
    clearTimeout(running.notice);
    this.#withdraw((each) => isWaiting(each) && each.ahead?.input === assignment);
    if (this.#isLeaving && !running.isDropped) {
      this.#running.delete(assignment);
    } else {
      await this.#options.release(assignment);
      await this.#finish(running, entry, result, logger);
    }
    this.#onQuiet();
  }

  async #result(running: Running, entry: JournalEntry, logger: Logger): Promise<AssignmentResult> {
    const { offer, controller } = running;
    const account = new JobAccount();
    const job: Job = {
      assignment: offer.assignment,
      entry,
      signal: controller.signal,
      logger,
      account,
      traffic: account.traffic,
      ahead: running.ahead,
      setPhase: (phase) => this.#setPhase(running, entry, phase),
    };
    try {
      return await this.#options.run(offer.spec, job);
    } catch (error) {
      const cause: unknown = controller.signal.aborted ? controller.signal.reason : error;
      if (!(cause instanceof WorkerError))
        logger.error({ err: error }, "job failed by a fault of the worker");
      entry.log.close();
      return failedResult(entry.record, {
        failure: failureOf(cause),
        batches: entry.progress.batches,
        logBytes: entry.log.size,
      });
    }
  }

  async #finish(
    running: Running,
    entry: JournalEntry,
    result: AssignmentResult,
    logger: Logger,
  ): Promise<void> {
    if (running.isDropped) {
      this.#running.delete(running.offer.assignment);
      await this.#forget(entry);
      return;
    }
    await entry.finish(result).catch((error: unknown) => {
      logger.error(
        { error },
        "result cannot be written; it is lost if the worker stops before it is sent",
      );
    });
    this.#running.delete(running.offer.assignment);
    const subject = subjectOf(entry.record.spec);
    const level = result.kind !== "build" && result.failure !== null ? "warn" : "info";
    logger[level]({ subject, ...summaryOf(result) }, "assignment finished");
  }

  async #forget(entry: JournalEntry): Promise<void> {
    await this.#options.journal.remove(entry).catch((error: unknown) => {
      const { assignment } = entry.record;
      this.#options.logger.warn({ assignment, error }, "journal directory cannot be removed");
    });
    this.#onQuiet();
  }

  #setPhase(running: Running, entry: JournalEntry, phase: Phase): void {
    // Work that goes on after a restart comes by phases that it was in before.
    if (phase === running.phase || this.#isLeaving) return;
    const at = this.#options.now();
    running.phase = phase;
    running.phaseAt = at;
    entry.setPhase(phase, at);
    clearTimeout(running.notice);
    if (phase === "uploading" && this.#beginAfter(running.offer)) return;
    if (phase !== "building") this.#sendProgress(running.offer, phase, at);
    else running.notice = setTimeout(() => this.#sendProgress(running.offer, phase, at), NOTICE_MS);
  }

  /** Begins what waited for it. False when nothing did, and nothing was told. */
  #beginAfter({ assignment, fencing }: AssignmentReference): boolean {
    const next = [...this.#running.values()].filter(
      (running) => running.ahead?.input === assignment && isWaiting(running) && !running.isDropped,
    );
    for (const running of next) {
      running.ahead?.noteBuilt();
      this.#accept(running, { assignment, fencing });
    }
    return next.length > 0;
  }

  #sendProgress({ assignment, fencing }: AssignmentReference, phase: Phase, at: number): void {
    if (phase === "signing" && !this.#features.has(SIGNING_PHASE)) return;
    this.#options.send({ type: "progress", assignment, fencing, phase, at });
  }
}

/** It was offered ahead, and was not accepted. */
function isWaiting({ ahead }: Running): boolean {
  return ahead !== null && !ahead.isBuilt;
}

function isBuilt(phase: Phase): boolean {
  return phase === "uploading" || phase === "signing";
}

/** Every transfer of a job listens to it: hundreds are no leak. */
function jobController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function summaryOf(result: AssignmentResult): Record<string, unknown> {
  if (result.kind !== "build") return { failure: result.failure };
  const { outcome, message, usage } = result;
  return {
    outcome,
    message,
    wallMs: usage?.wallMs,
    cpuMs: usage === null ? null : (usage.cpuUserMs ?? 0) + (usage.cpuSystemMs ?? 0),
    memoryPeakBytes: usage?.memoryPeakBytes,
  };
}
