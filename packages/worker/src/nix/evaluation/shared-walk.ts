import { randomBytes } from "node:crypto";
import type { AttributePath, AttributePattern, EvaluationMessage } from "@gradient/protocol";
import { describeExit } from "../../process/process-error.ts";
import { EvaluationError } from "../evaluation-error.ts";
import {
  type EvaluationSource,
  argumentOptions,
  nixString,
  withArguments,
} from "./evaluation-source.ts";
import { EvaluatorLines, type WalkerEvent } from "./evaluator-lines.ts";
import { EvaluatorProcess, type EvaluationScope } from "./evaluator-process.ts";
import type { StoreRelay } from "../relay/store-relay.ts";
import { FindingQueue } from "./finding-queue.ts";
import { WalkPosition, isBeyond, type Stretch } from "./walk-position.ts";
import { WALKER } from "./walker.ts";

/** Of `nix-instantiate`: evaluates what comes by stdin, writes .drv files, and says everything in lines of JSON. */
export const INSTANTIATE_OPTIONS = [
  "--eval",
  "--strict",
  "--read-write-mode",
  "--show-trace",
  "--log-format",
  "internal-json",
];
const SHARE_INTERVAL_MS = 50;
/** Another process evaluates the root again: it has to save more than that. */
const MIN_SHARED_MS = 80;
const MIN_SHARED_STARTS = 1.25;
/** Of a start, what a process that waits has behind it. */
const PROCESS_START_MS = 50;
const MAX_QUEUED = 1000;
const MEBIBYTE = 1024 * 1024;

/** What a walk finds. `failed` ended its process; a failure of the network does that too. */
export type Finding =
  | { type: "job"; path: AttributePath; drvPath: string }
  | { type: "thrown"; path: AttributePath }
  | { type: "other"; path: AttributePath; valueType: string }
  | { type: "failed"; path: AttributePath; error: string }
  | { type: "message" | "build"; message: EvaluationMessage };

export interface WalkPlan extends AttributePattern {
  /** Paths that the pattern names without wildcards. */
  literals: readonly AttributePath[];
}

/**
 * The store that evaluators use. Those that started before it was exact are followed by others when they fail after that. When it has misled
 * one of them, none of those is believed any more: the first that it knows of may not be the one whose line is read.
 */
type EvaluatorStore = Pick<StoreRelay, "isExact" | "hasMisled" | "caughtUp" | "hurry">;

/** One process's part of the walk, and how far it is. */
interface Part {
  stretch: Stretch;
  position: WalkPosition;
  /** Its process; null for one that had been waiting. */
  startedAt: number | null;
  /** When the root was there. */
  enteredAt: number | null;
  entered: number;
  isAnswered: boolean;
  isComplete: boolean;
}

/** How a process ended that had not walked its part to the end. */
interface ProcessEnd {
  /** Nix's, or how the process went. */
  error: string;
  /** By nobody of ours. */
  isKilled: boolean;
  /** The kernel killed a process of the evaluation meanwhile: this one, another one, or one of a build. */
  isOutOfMemory: boolean;
}

/**
 * Walks what a pattern selects with several processes. One begins; whoever is idle takes the later half of what the slowest
 * has left, which is ended when it comes there. A process that was killed by an attribute is followed by another that goes on
 * behind it; one that comes near its memory ceiling, by another that goes on at the same place.
 */
export class SharedWalk {
  readonly #scope: EvaluationScope;
  readonly #source: EvaluationSource;
  readonly #plan: WalkPlan;
  readonly #processes: number;
  readonly #store: EvaluatorStore;
  /** They cannot tell what sources refer to, and may be misled. */
  readonly #inexact = new WeakSet<EvaluatorProcess>();
  readonly #queue = new FindingQueue<Finding>(MAX_QUEUED);
  readonly #parts = new Set<Part>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** Has started beside the first, to have what it evaluates the sooner. */
  #spare: Promise<EvaluatorProcess> | null = null;
  /** From a process's start to its first attribute; the shortest that was seen, of those that had not been waiting. */
  #startMs = Number.POSITIVE_INFINITY;

  constructor(options: {
    scope: EvaluationScope;
    source: EvaluationSource;
    plan: WalkPlan;
    processes: number;
    store: EvaluatorStore;
  }) {
    const signal = AbortSignal.any([options.scope.signal, this.#stop.signal]);
    this.#scope = { ...options.scope, signal };
    this.#source = options.source;
    this.#plan = options.plan;
    this.#processes = options.processes;
    this.#store = options.store;
  }

  /** Rejects with an EvaluationError when the whole fails. */
  async *run(): AsyncGenerator<Finding, void, undefined> {
    this.#begin({ start: null, isStartDone: false, until: null });
    if (this.#processes > 1 && !isOneAttribute(this.#plan)) {
      this.#spare = this.#startProcess();
      this.#spare.catch(() => {});
    }
    const timer = setInterval(() => this.#share(), SHARE_INTERVAL_MS);
    try {
      yield* this.#queue.read();
    } finally {
      clearInterval(timer);
      this.#stop.abort();
      this.#queue.release();
      await Promise.all(this.#tasks);
      const spare = await this.#spare?.catch(() => null);
      await spare?.stop();
    }
  }

  #begin(stretch: Stretch): void {
    const part = newPart(stretch);
    this.#parts.add(part);
    const task = this.#finish(part).then(
      () => {
        this.#parts.delete(part);
        this.#share();
        if (this.#parts.size === 0) this.#queue.end();
      },
      (error: unknown) => this.#queue.fail(error),
    );
    this.#tasks.add(task);
  }

  /** Gives work to processes that could run. */
  #share(): void {
    while (this.#parts.size < this.#processes && !this.#scope.signal.aborted) {
      const slowest = [...this.#parts].toSorted((a, b) => leftMs(b) - leftMs(a))[0];
      if (slowest === undefined) return;
      const isWaiting = this.#spare !== null;
      const startMs = Math.max(0, this.#startMs - (isWaiting ? PROCESS_START_MS : 0));
      if (leftMs(slowest) < Math.max(MIN_SHARED_MS, MIN_SHARED_STARTS * startMs)) return;
      const { until } = slowest.stretch;
      const kept = slowest.position.split(until, startMs / perAttributeMs(slowest));
      if (kept === null) return;
      slowest.stretch.until = kept;
      this.#begin({ start: kept, isStartDone: true, until });
    }
  }

  /** Runs one process after another until the part is walked. */
  async #finish(part: Part): Promise<void> {
    while (!part.isComplete) {
      const { stretch } = part;
      Object.assign(part, newPart(stretch));
      await this.#walk(part);
    }
  }

  async #walk(part: Part): Promise<void> {
    const nonce = randomBytes(16).toString("hex");
    const lines = new EvaluatorLines(nonce);
    const { start, isStartDone } = part.stretch;
    const killsBefore = this.#oomKills();
    const plan = { nonce, label: this.#source.label, ...this.#plan, start, isStartDone };
    const process = await this.#nextProcess(part);
    try {
      process.give(walkerExpression(this.#source, plan));
      for await (const line of process.lines(() => lines.isBuilding)) {
        const news = lines.read(line);
        if (news === null) continue;
        if (news.type !== "walker") await this.#queue.push(news);
        else if (!(await this.#take(part, news.event, process))) return process.kill();
      }
      const exit = await process.ended();
      if (part.isComplete && exit.exitCode === 0) return;
      if (this.#inexact.has(process)) {
        await this.#store.caughtUp();
        if (this.#store.isExact) return repeat(part);
      }
      const error = lines.describeError(this.#source.names);
      await this.#goOn(part, process, {
        error: error === "" ? `the evaluator ended with ${describeExit(exit)}` : error,
        isKilled: error === "" && exit.signal === "SIGKILL",
        isOutOfMemory: this.#oomKills() > killsBefore,
      });
    } finally {
      await process.stop();
    }
  }

  /** Whether what it tells may come from an answer that it took for another one. */
  async #isMisled(process: EvaluatorProcess): Promise<boolean> {
    if (!this.#inexact.has(process)) return false;
    await this.#store.caughtUp();
    return this.#store.hasMisled;
  }

  /** The one that waits, if there is one. */
  #nextProcess(part: Part): Promise<EvaluatorProcess> {
    const spare = this.#spare;
    this.#spare = null;
    if (spare === null) part.startedAt = performance.now();
    return spare ?? this.#startProcess();
  }

  async #startProcess(): Promise<EvaluatorProcess> {
    const { options } = this.#source;
    const args = [...INSTANTIATE_OPTIONS, ...options, ...argumentOptions(this.#source), "-"];
    const { isExact } = this.#store;
    const process = await EvaluatorProcess.start(this.#scope, { command: "nix-instantiate", args });
    if (!isExact) this.#inexact.add(process);
    return process;
  }

  /** False when another process walks from here on, or is to go on here. */
  #enter(part: Part, path: AttributePath, process: EvaluatorProcess): boolean {
    const { until } = part.stretch;
    if (until !== null && isBeyond(path, until)) {
      // Its process is killed. The kernel takes some ten milliseconds to clear it away, in which another can begin.
      this.#parts.delete(part);
      this.#share();
      this.#complete(part);
      return false;
    }
    if (part.entered > 0 && process.isNearCeiling) {
      part.stretch = { start: path, isStartDone: false, until };
      return false;
    }
    if (part.enteredAt === null) {
      part.enteredAt = performance.now();
      const { startedAt, enteredAt } = part;
      if (startedAt !== null) this.#startMs = Math.min(this.#startMs, enteredAt - startedAt);
    }
    part.entered += 1;
    part.isAnswered = false;
    part.position.enter(path);
    this.#share();
    return true;
  }

  /** False when the process has to end here. */
  async #take(part: Part, event: WalkerEvent, process: EvaluatorProcess): Promise<boolean> {
    if ("fatal" in event) throw new EvaluationError("evaluation_failed", event.fatal);
    if ("enter" in event) return this.#enter(part, event.enter, process);
    if ("list" in event) part.position.list(event.list, event.names);
    if ("end" in event) {
      this.#complete(part);
      process.hurry();
    }
    if ("job" in event && (await this.#isMisled(process))) {
      repeat(part);
      return false;
    }
    const finding = findingOf(event);
    if (finding === null) return true;
    part.isAnswered = true;
    await this.#queue.push(finding);
    return true;
  }

  /** When no other part goes on, the store need not wait for more while the processes end. */
  #complete(part: Part): void {
    part.isComplete = true;
    if ([...this.#parts].every(({ isComplete }) => isComplete)) this.#store.hurry();
  }

  /** Decides where the next process goes on, and what became of the attribute that this one ended at. */
  async #goOn(part: Part, process: EvaluatorProcess, end: ProcessEnd): Promise<void> {
    part.isComplete = false;
    const { until } = part.stretch;
    const path = part.position.current;
    const isMemory = process.endedBy === "memory" || end.isKilled;
    const error = this.#reasonOf(process, end);
    if (path === null) throw new EvaluationError("evaluation_failed", error);
    const isRetried = isMemory && part.entered > 1 && !part.isAnswered;
    part.stretch = { start: path, isStartDone: !isRetried, until };
    if (isRetried || part.isAnswered) return;
    await this.#queue.push({ type: "failed", path, error });
  }

  #reasonOf(process: EvaluatorProcess, end: ProcessEnd): string {
    const { memoryCeilingBytes, attributeTimeoutMs } = this.#scope;
    if (process.endedBy === "memory") {
      return `its evaluation needs more than ${mebibytes(memoryCeilingBytes)} MiB of memory`;
    }
    if (process.endedBy === "silence") {
      return `its evaluation took longer than ${attributeTimeoutMs / 1000} s`;
    }
    const killed = "its evaluation was killed by SIGKILL";
    const error = end.isKilled ? killed : end.error;
    if (end.isOutOfMemory) return `${error}\n${this.#memoryReason()}`;
    return end.isKilled ? `${killed}, probably for want of memory` : error;
  }

  /** The kernel does not say which of the evaluation's processes it was. */
  #memoryReason(): string {
    const { memoryLimitBytes } = this.#scope.meter.current();
    const limit =
      memoryLimitBytes === null
        ? "this machine had none left"
        : `an evaluation may have ${mebibytes(memoryLimitBytes)} MiB, with the builds that it imports from`;
    return `a process was killed for want of memory: ${limit}`;
  }

  #oomKills(): number {
    return this.#scope.meter.current().oomKills ?? 0;
  }
}

/** There is nothing to share. */
function isOneAttribute({ include, literals }: WalkPlan): boolean {
  return include.length === 1 && literals.length === 1;
}

/** Another process goes on where one ended that was not to blame, nor the attribute. */
function repeat(part: Part): void {
  part.isComplete = false;
  const { current } = part.position;
  const { until } = part.stretch;
  if (current !== null) part.stretch = { start: current, isStartDone: part.isAnswered, until };
}

function mebibytes(sizeBytes: number): number {
  return Math.round(sizeBytes / MEBIBYTE);
}

function newPart(stretch: Stretch): Part {
  return {
    stretch,
    position: new WalkPosition(),
    startedAt: null,
    enteredAt: null,
    entered: 0,
    isAnswered: false,
    isComplete: false,
  };
}

/** How long a part will still take, if its attributes go on as they did. */
function leftMs(part: Part): number {
  if (part.enteredAt === null) return 0;
  return perAttributeMs(part) * part.position.remaining(part.stretch.until);
}

function perAttributeMs({ enteredAt, entered }: Part): number {
  return enteredAt === null ? 0 : (performance.now() - enteredAt) / entered;
}

function findingOf(event: WalkerEvent): Finding | null {
  if ("job" in event) return { type: "job", path: event.job, drvPath: event.drvPath };
  if ("thrown" in event) return { type: "thrown", path: event.thrown };
  if ("other" in event) return { type: "other", path: event.other, valueType: event.type };
  return null;
}

function walkerExpression(source: EvaluationSource, plan: object): string {
  const data = nixString(JSON.stringify(plan));
  const body = `(${WALKER}) (builtins.fromJSON ${data} // { imported = ${source.imported}; inherit given; })`;
  return withArguments(source, body);
}
