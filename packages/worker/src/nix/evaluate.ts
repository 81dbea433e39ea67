import { access } from "node:fs/promises";
import path from "node:path";
import {
  type AttributePath,
  type AttributePattern,
  PatternError,
  formatAttributePath,
  isExcluded,
  parsePattern,
} from "@gradient/protocol";
import type { EvaluationEvent, Evaluator } from "../ports.ts";
import { readLines } from "../process/lines.ts";
import { describeExit } from "../process/process-error.ts";
import type { ProcessExit } from "../process/start.ts";
import { summarizeError } from "./error-text.ts";
import { EvaluationError } from "./evaluation-error.ts";
import type { NixInstallation } from "./installation.ts";
import type { WalkerEvent } from "./walker-lines.ts";
import { type WalkerPlan, WalkerRun, cancelled } from "./walker-run.ts";

/** Where a classic tree has its expression; the first that is there. */
const EXPRESSION_FILES = ["default.nix", "release.nix", "ci.nix"];
const MAX_LINE_BYTES = 1024 * 1024;
/** Each message of a `throw` costs a process that evaluates the root again. */
const MAX_QUESTIONS = 50;
const QUESTION_TIMEOUT_MS = 120_000;

type EvaluationRequest = Parameters<Evaluator["evaluate"]>[0];

/** Evaluates classic trees with `nix-instantiate` and the walker. */
export function openEvaluator(options: { nix: NixInstallation }): Evaluator {
  return { evaluate: (request) => new Evaluation(options.nix, request).run() };
}

/** How one process of the evaluator ended. */
interface RunEnd {
  isComplete: boolean;
  /** The attribute that it was at, and whether that was answered. */
  last: { path: AttributePath; isAnswered: boolean } | null;
  error: string;
}

class Evaluation {
  readonly #nix: NixInstallation;
  readonly #request: EvaluationRequest;
  readonly #tree: string;
  /** What stands before the tree's own paths in messages. */
  readonly #names: readonly string[];
  readonly #deadline: number;
  /** Paths that threw: their messages have to be asked for. */
  readonly #thrown: AttributePath[] = [];
  /** Names without wildcards that have not been found to be derivations. */
  #missing = new Map<string, { path: AttributePath; type: string | null }>();

  constructor(nix: NixInstallation, request: EvaluationRequest) {
    this.#nix = nix;
    this.#request = request;
    const { subject } = request;
    if (subject.type !== "tree") {
      throw new EvaluationError("no_expression", `a ${subject.type} is not evaluated yet`);
    }
    this.#tree = subject.directory;
    this.#names = subject.storePath === null ? [this.#tree] : [this.#tree, subject.storePath];
    this.#deadline = Date.now() + request.timeoutMs;
  }

  async *run(): AsyncGenerator<EvaluationEvent, void, undefined> {
    const pattern = readPattern(this.#request.pattern);
    const literals = literalsOf(pattern);
    this.#missing = new Map(
      literals.map((each) => [JSON.stringify(each), { path: each, type: null }]),
    );
    const file = await this.#findExpression();
    const plan: WalkerPlan = { file, ...pattern, literals, after: null, only: null };
    for (let after: AttributePath | null = null; ;) {
      const end: RunEnd = yield* this.#walk({ ...plan, after });
      if (end.isComplete) break;
      if (end.last === null) throw new EvaluationError("evaluation_failed", end.error);
      after = end.last.path;
      if (!end.last.isAnswered && !isExcluded(pattern, after)) {
        yield this.#failed(after, end.error);
      }
    }
    yield* this.#askMessages(plan);
    for (const { path: name, type } of this.#missing.values()) {
      yield errorJob(name, missingMessage(name, type));
    }
  }

  async #findExpression(): Promise<string> {
    for (const name of EXPRESSION_FILES) {
      const file = path.join(this.#tree, name);
      if (await exists(file)) return file;
    }
    const hasFlake = await exists(path.join(this.#tree, "flake.nix"));
    const message = hasFlake
      ? "the tree has only a flake.nix, and flakes are not evaluated yet: add a default.nix, release.nix or ci.nix"
      : "the tree has no default.nix, release.nix or ci.nix: there is nothing to evaluate";
    throw new EvaluationError("no_expression", message);
  }

  /** One process that walks what the pattern selects, from behind `after` on. */
  async *#walk(plan: WalkerPlan): AsyncGenerator<EvaluationEvent, RunEnd, undefined> {
    const run = await this.#start(plan, this.#deadline);
    const end: RunEnd = { isComplete: false, last: null, error: "" };
    try {
      for await (const line of readLines(run.stderr, MAX_LINE_BYTES)) {
        const { event, messages } = run.lines.read(line);
        for (const message of messages) yield { type: "message", message };
        const answer = event === null ? null : this.#take(event, end);
        if (answer !== null) yield answer;
      }
      for (const message of run.lines.flush()) yield { type: "message", message };
      const exit = await run.ended();
      end.isComplete &&= exit.exitCode === 0;
      end.error = this.#errorOf(run, exit);
      return end;
    } finally {
      await run.stop();
    }
  }

  /** What the walker said, as an answer for whoever asked; null when it is only for us. */
  #take(event: WalkerEvent, end: RunEnd): EvaluationEvent | null {
    if ("fatal" in event) throw new EvaluationError("evaluation_failed", event.fatal);
    if ("end" in event) {
      end.isComplete = true;
      return null;
    }
    if ("enter" in event) {
      end.last = { path: event.enter, isAnswered: false };
      return null;
    }
    if (end.last !== null) end.last.isAnswered = true;
    if ("job" in event) {
      this.#missing.delete(JSON.stringify(event.job));
      const { job: attribute, drvPath } = event;
      return { type: "job", job: { outcome: "derivation", attribute, drvPath } };
    }
    if ("thrown" in event) {
      this.#forget(event.thrown);
      this.#thrown.push(event.thrown);
      return null;
    }
    const missing = this.#missing.get(JSON.stringify(event.other));
    if (missing !== undefined) missing.type = event.type;
    return null;
  }

  #failed(attribute: AttributePath, error: string): EvaluationEvent {
    this.#forget(attribute);
    return errorJob(attribute, error);
  }

  /** What lies below an attribute that failed is not missing: nobody knows. */
  #forget(attribute: AttributePath): void {
    for (const [key, { path: name }] of this.#missing) {
      if (attribute.every((each, index) => name[index] === each)) this.#missing.delete(key);
    }
  }

  /** `tryEval` hides the message of a `throw`: the attribute is evaluated once more, alone and without it. */
  async *#askMessages(plan: WalkerPlan): AsyncGenerator<EvaluationEvent, void, undefined> {
    for (const [index, attribute] of this.#thrown.entries()) {
      const name = formatAttributePath(attribute);
      if (index >= MAX_QUESTIONS) {
        yield errorJob(attribute, `it throws an error; nix-instantiate -A '${name}' shows which`);
        continue;
      }
      yield errorJob(attribute, await this.#askMessage({ ...plan, only: attribute }));
    }
  }

  async #askMessage(plan: WalkerPlan): Promise<string> {
    const run = await this.#start(plan, Math.min(this.#deadline, Date.now() + QUESTION_TIMEOUT_MS));
    try {
      for await (const line of readLines(run.stderr, MAX_LINE_BYTES)) run.lines.read(line);
      return this.#errorOf(run, await run.ended());
    } finally {
      await run.stop();
    }
  }

  async #start(plan: WalkerPlan, deadline: number): Promise<WalkerRun> {
    const { meter, signal } = this.#request;
    if (signal.aborted) throw cancelled();
    return WalkerRun.start({ nix: this.#nix, plan, meter, signal, deadline });
  }

  #errorOf(run: WalkerRun, exit: ProcessExit): string {
    const text = run.lines.errorText;
    if (text !== "") return summarizeError(text, [...this.#names]);
    if (exit.exitCode === 0) return "it threw an error, but evaluated alone it does not";
    const reason = exit.signal === "SIGKILL" ? ", probably for want of memory" : "";
    return `the evaluator ended with ${describeExit(exit)}${reason}`;
  }
}

function readPattern(text: string): AttributePattern {
  try {
    return parsePattern(text);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new EvaluationError("bad_pattern", error.message, error);
  }
}

/** Alternatives that name exactly one attribute, unless it is left out again. */
function literalsOf(pattern: AttributePattern): AttributePath[] {
  return pattern.include
    .filter((segments) => segments.every((segment) => segment.kind === "name"))
    .map((segments) => segments.flatMap((each) => (each.kind === "name" ? [each.name] : [])))
    .filter((literal) => !isExcluded(pattern, literal));
}

function errorJob(attribute: AttributePath, error: string): EvaluationEvent {
  return { type: "job", job: { outcome: "error", attribute: [...attribute], error } };
}

function missingMessage(name: AttributePath, type: string | null): string {
  const text = formatAttributePath(name);
  return type === null
    ? `there is no attribute '${text}'`
    : `'${text}' is a ${type} and no derivation`;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
