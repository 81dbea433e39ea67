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
import { EvaluatorLines, type EvaluatorNews, type WalkerEvent } from "./evaluator-lines.ts";
import { EvaluatorProcess, type EvaluationScope } from "./evaluator-process.ts";
import type { StoreRelay } from "../relay/store-relay.ts";
import { FindingQueue } from "./finding-queue.ts";
import { BuildLogs } from "./imported-builds.ts";
import { Part, complete, partFor } from "./walk-part.ts";
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
/** Before two that come towards each other meet, each is listened to: what one enters, the other need not evaluate, too. */
const NEAR_MS = 2 * SHARE_INTERVAL_MS;
/** What the first process computes before it enters an attribute; the second one begins then, to be there sooner. */
const ALONE_CPU_MS = 50;
const MAX_QUEUED = 1000;
const MEBIBYTE = 1024 * 1024;

/** What a walk finds. `failed` ended its process; a failure of the network does that too. */
export type Finding =
  | { type: "job"; path: AttributePath; drvPath: string; outputName?: string | undefined }
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
 * Walks what a pattern selects with several processes. One begins, and another comes towards it from the end, until they meet; whoever
 * is idle comes towards the slowest, or takes the later half of what that one has left when another does so already. A process that was
 * killed by an attribute is followed by another that goes on behind it; one that comes near its memory ceiling, by another that goes on
 * at the same place.
 */
export class SharedWalk {
  readonly #scope: EvaluationScope;
  readonly #source: EvaluationSource;
  readonly #plan: WalkPlan;
  readonly #store: EvaluatorStore;
  /** They cannot tell what sources refer to, and may be misled. */
  readonly #inexact = new WeakSet<EvaluatorProcess>();
  readonly #queue = new FindingQueue<Finding>(MAX_QUEUED);
  readonly #parts = new Set<Part>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #logs = new BuildLogs();
  /** Of each part that is walked. */
  readonly #processOf = new Map<Part, EvaluatorProcess>();
  readonly #first = new Part({ start: null, isStartDone: false, end: null, backward: null });
  /** Resolves when others may begin, too. What is fetched, copied or built before is done for the first, and only once. */
  readonly #othersMayBegin: Promise<void>;
  #letOthersBegin = (): void => {};
  /** What the first one tells, and the CPU time that it had when nothing kept it waiting any more. */
  #firstLines: EvaluatorLines | null = null;
  #computesFromMs: number | null = null;
  /** How many may run. */
  #processes: number;
  /** The one that tells of what is evaluated before an attribute is entered: each evaluates that. */
  #teller: EvaluatorProcess | null = null;
  /** From a process's start to its first attribute; the shortest that was seen. */
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
    this.#othersMayBegin = new Promise((resolve) => {
      this.#letOthersBegin = resolve;
    });
    signal.addEventListener("abort", this.#letOthersBegin, { once: true });
    this.#source = options.source;
    this.#plan = options.plan;
    this.#processes = options.processes;
    this.#store = options.store;
  }

  /** Rejects with an EvaluationError when the whole fails. */
  async *run(): AsyncGenerator<Finding, void, undefined> {
    this.#begin(this.#first);
    if (this.#processes > 1 && !isOneAttribute(this.#plan)) {
      const backward = { depth: null };
      this.#begin(new Part({ ...this.#first.stretch, backward }, this.#first));
    }
    const timer = setInterval(() => this.#look(), SHARE_INTERVAL_MS);
    try {
      yield* this.#queue.read();
    } finally {
      clearInterval(timer);
      this.#stop.abort();
      this.#queue.release();
      await Promise.all(this.#tasks);
    }
  }

  #begin(part: Part): void {
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

  #look(): void {
    this.#share();
    this.#lookAtFirst();
    for (const [part, process] of this.#processOf) {
      const { ahead } = part;
      if (ahead === null || ahead.entered === 0 || ahead.leftMs() > NEAR_MS) continue;
      process.hurry();
      this.#processOf.get(ahead)?.hurry();
    }
  }

  #lookAtFirst(): void {
    const first = this.#processOf.get(this.#first);
    if (first === undefined || this.#firstLines?.isComputing !== true) {
      this.#computesFromMs = null;
      return;
    }
    this.#computesFromMs ??= first.cpuMs;
    if (first.cpuMs - this.#computesFromMs >= ALONE_CPU_MS) this.#letOthersBegin();
  }

  /** Gives work to processes that could run. */
  #share(): void {
    while (this.#parts.size < this.#processes && !this.#scope.signal.aborted) {
      const part = partFor(this.#parts, this.#startMs);
      if (part === null) return;
      this.#begin(part);
    }
  }

  /** Runs one process after another until the part is walked. */
  async #finish(part: Part): Promise<void> {
    while (!part.isComplete) {
      part.renew();
      await this.#walk(part);
    }
  }

  async #walk(part: Part): Promise<void> {
    const nonce = randomBytes(16).toString("hex");
    const lines = new EvaluatorLines(nonce, this.#logs);
    const killsBefore = this.#oomKills();
    const process = await this.#startProcess();
    this.#processOf.set(part, process);
    if (part === this.#first) {
      this.#teller ??= process;
      this.#firstLines = lines;
    }
    try {
      if (part !== this.#first) await this.#othersMayBegin;
      if (part.isComplete) return;
      const { start, isStartDone, backward } = part.stretch;
      const { label } = this.#source;
      const plan = { nonce, label, ...this.#plan, start, isStartDone, backward };
      process.give(walkerExpression(this.#source, plan));
      for await (const line of process.lines(() => lines.isBuilding)) {
        const news = lines.read(line);
        if (news === null) continue;
        if (!(await this.#take(part, news, process))) return process.kill();
      }
      const exit = await process.ended();
      if (part.isComplete && (exit.exitCode === 0 || part.isExpendable)) return;
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
      this.#processOf.delete(part);
      await process.stop();
    }
  }

  /** Whether what it tells may come from an answer that it took for another one. */
  async #isMisled(process: EvaluatorProcess): Promise<boolean> {
    if (!this.#inexact.has(process)) return false;
    await this.#store.caughtUp();
    return this.#store.hasMisled;
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
    if (!part.mayEnter(path)) {
      // Its process is killed. The kernel takes some ten milliseconds to clear it away, in which another can begin.
      this.#parts.delete(part);
      this.#complete(part);
      this.#share();
      return false;
    }
    if (part.entered > 0 && process.isNearCeiling) {
      part.goOnAt(path, false);
      return false;
    }
    part.enter(path);
    if (part === this.#first) this.#letOthersBegin();
    if (part.entered === 1) {
      this.#startMs = Math.min(this.#startMs, performance.now() - process.startedAt);
    }
    this.#share();
    return true;
  }

  /** False when the process has to end here. */
  async #take(part: Part, news: EvaluatorNews, process: EvaluatorProcess): Promise<boolean> {
    if (news.type === "walker") return this.#follow(part, news.event, process);
    const isFirstToTell = part.entered > 0 || process === this.#teller;
    if (news.type === "build" || isFirstToTell) await this.#queue.push(news);
    return true;
  }

  async #follow(part: Part, event: WalkerEvent, process: EvaluatorProcess): Promise<boolean> {
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

  #complete(part: Part): void {
    this.#letOthersBegin();
    const idle = complete(part, this.#parts);
    if (idle !== null) this.#processOf.get(idle)?.kill();
    // When no other part goes on, the store need not wait for more while the processes end.
    if ([...this.#parts].every(({ isComplete }) => isComplete)) this.#store.hurry();
  }

  /** Decides where the next process goes on, and what became of the attribute that this one ended at. */
  async #goOn(part: Part, process: EvaluatorProcess, end: ProcessEnd): Promise<void> {
    part.isComplete = false;
    const path = part.position.current;
    const isMemory = process.endedBy === "memory" || end.isKilled;
    const error = this.#reasonOf(process, end);
    if (path === null) {
      if (!part.isExpendable) throw new EvaluationError("evaluation_failed", error);
      // The one that is ahead comes to the same, and tells what it was.
      this.#processes -= 1;
      part.isComplete = true;
      return;
    }
    const isRetried = isMemory && part.entered > 1 && !part.isAnswered;
    part.goOnAt(path, !isRetried);
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
  if (current !== null) part.goOnAt(current, part.isAnswered);
}

function mebibytes(sizeBytes: number): number {
  return Math.round(sizeBytes / MEBIBYTE);
}

function findingOf(event: WalkerEvent): Finding | null {
  if ("job" in event) {
    const { job: path, drvPath, outputName } = event;
    return { type: "job", path, drvPath, outputName };
  }
  if ("thrown" in event) return { type: "thrown", path: event.thrown };
  if ("other" in event) return { type: "other", path: event.other, valueType: event.type };
  return null;
}

function walkerExpression(source: EvaluationSource, plan: object): string {
  const data = nixString(JSON.stringify(plan));
  const body = `(${WALKER}) (builtins.fromJSON ${data} // { imported = ${source.imported}; inherit given; })`;
  return withArguments(source, body);
}
