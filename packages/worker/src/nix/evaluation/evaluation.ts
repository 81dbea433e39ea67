import { existsSync } from "node:fs";
import {
  type AttributePath,
  type AttributePattern,
  type EvaluationMessage,
  PatternError,
  formatAttributePath,
  formatPattern,
  isDrvPath,
  isExcluded,
  parsePattern,
} from "@gradient/protocol";
import type { EvaluationEvent, Evaluator } from "../../ports.ts";
import type { EvaluatorOptions } from "../evaluate.ts";
import { EvaluationError } from "../evaluation-error.ts";
import { DaemonLostError } from "../nix-error.ts";
import { StoreRelay } from "../relay/store-relay.ts";
import type { EvaluationResults, ResultRecord } from "./evaluation-results.ts";
import type { EvaluationSource } from "./evaluation-source.ts";
import { type EvaluationScope, cancelled, timedOut } from "./evaluator-process.ts";
import { locateSource, lockHint } from "./locate-source.ts";
import { type Finding, SharedWalk } from "./shared-walk.ts";
import { askThrownMessages, unknownMessage } from "./thrown-messages.ts";

const MAX_MESSAGES = 500;
/** After the deadline, for what has been evaluated and is still being written. */
const WRITE_GRACE_MS = 5000;

const REFUSED =
  "evaluators write derivations themselves, and wait for each other, as no process can do it for all of them";
/** Nobody stands between evaluators and the store. */
const DIRECT = { isExact: true, hasMisled: false, caughtUp: () => null, hurry: () => {} };

type EvaluationRequest = Parameters<Evaluator["evaluate"]>[0];

interface EvaluationTools extends Required<EvaluatorOptions> {
  results: EvaluationResults;
  /** Versions of Nix that asked the store otherwise than was foreseen. They are told what they ask, when they ask it. */
  unforeseen: Set<string>;
}

/** One evaluation, from its subject to the last job. */
export class Evaluation {
  readonly #options: EvaluationTools;
  readonly #request: EvaluationRequest;
  readonly #scope: Omit<EvaluationScope, "nix">;
  /** Paths that threw: their messages have to be asked for. */
  readonly #thrown: AttributePath[] = [];
  /** Names without wildcards that have not been found to be derivations. */
  #missing = new Map<string, { path: AttributePath; type: string | null }>();
  #messages = 0;
  /** Whatever failed until now would fail in the same way again. */
  #isRepeatable = true;
  #isUnforeseenTold = false;

  constructor(options: EvaluationTools, request: EvaluationRequest) {
    this.#options = options;
    this.#request = request;
    this.#scope = {
      meter: request.meter,
      signal: request.signal,
      deadline: performance.now() + request.timeoutMs,
      attributeTimeoutMs: options.attributeTimeoutMs,
      memoryCeilingBytes: options.memoryCeilingBytes,
      stateDirectory: options.stateDirectory,
      workingDirectory: request.workingDirectory ?? "/",
    };
  }

  async *run(): AsyncGenerator<EvaluationEvent, void, undefined> {
    const { nix, store, results, stateDirectory } = this.#options;
    const { subject, meter, signal, timeoutMs } = this.#request;
    const pattern = readPattern(this.#request.pattern);
    const source = await locateSource(subject, {
      nix,
      store,
      meter,
      stateDirectory,
      timeoutMs,
      signal,
    });
    if (source.identity === null) {
      yield* this.#evaluate(source, pattern);
      return;
    }
    const key = await results.key({ source: source.identity, pattern: formatPattern(pattern) });
    const earlier = await results.find(key);
    if (earlier !== null) {
      yield notice(`answered by the evaluation of the same source ${ageOf(earlier.ageMs)} ago`);
      yield* earlier.events;
      return;
    }
    await using record = await results.record(key);
    for await (const event of this.#evaluate(source, pattern, record)) yield event;
    if (this.#isRepeatable) await record.keep();
  }

  /** Each event also goes into the record, if another evaluation could be answered with it. */
  async *#evaluate(
    source: EvaluationSource,
    pattern: AttributePattern,
    record: ResultRecord | null = null,
  ): AsyncGenerator<EvaluationEvent, void, undefined> {
    const literals = literalsOf(pattern);
    this.#missing = new Map(
      literals.map((each) => [JSON.stringify(each), { path: each, type: null }]),
    );
    const { processes } = this.#options;
    const plan = { ...pattern, literals };
    await using relay = await this.#openRelay();
    try {
      for await (const finding of this.#walk({ source, plan, processes }, relay)) {
        if (relay.hasMisled) yield* this.#tellUnforeseen();
        if (finding.type === "job") await relay.settled(finding.drvPath);
        const event = this.#eventOf(finding, pattern);
        if (event === null) continue;
        if (finding.type !== "build") await record?.add(event);
        yield event;
      }
    } catch (error) {
      throw withHint(this.#causeOf(error), source);
    }
    if (relay.hasMisled) yield* this.#tellUnforeseen();
    // It goes on after an error, and so nothing would be repeated.
    relay.beExact();
    const { nix } = (await relay.refusal()) === null ? relay : this.#options;
    for await (const event of this.#tellRest({ ...this.#scope, nix }, source)) {
      await record?.add(event);
      yield event;
    }
  }

  /** Straight into the store, when the Nix that works on it does not speak the relay's protocol. */
  async *#walk(
    walk: Omit<ConstructorParameters<typeof SharedWalk>[0], "scope" | "store">,
    relay: StoreRelay,
  ): AsyncGenerator<Finding, void, undefined> {
    const { nix } = this.#options;
    let isBegun = false;
    try {
      const scope = { ...this.#scope, nix: relay.nix };
      for await (const finding of new SharedWalk({ ...walk, scope, store: relay }).run()) {
        if (!isBegun && (await relay.refusal()) !== null) break;
        isBegun = true;
        relay.check();
        yield finding;
      }
    } catch (error) {
      if (isBegun || (await relay.refusal()) === null) throw error;
    }
    const refusal = await relay.refusal();
    if (isBegun || refusal === null) return;
    yield warning(`${REFUSED}: ${refusal}`);
    yield* new SharedWalk({ ...walk, scope: { ...this.#scope, nix }, store: DIRECT }).run();
  }

  async #openRelay(): Promise<StoreRelay> {
    const { meter, deadline, stateDirectory } = this.#scope;
    const leftMs = Math.ceil(Math.max(0, deadline - performance.now()));
    const late = AbortSignal.timeout(leftMs + WRITE_GRACE_MS);
    const signal = AbortSignal.any([this.#scope.signal, late]);
    const { nix, version, unforeseen } = this.#options;
    const relay = await StoreRelay.open(nix, { meter, signal, stateDirectory });
    if (unforeseen.size > 0 && unforeseen.has(await version.ask())) relay.beExact();
    return relay;
  }

  /** Once, and remembers it. It is no part of the result. */
  async *#tellUnforeseen(): AsyncGenerator<EvaluationEvent, void, undefined> {
    if (this.#isUnforeseenTold) return;
    this.#isUnforeseenTold = true;
    const { unforeseen, onUnforeseen } = this.#options;
    const version = await this.#options.version.ask();
    if (!unforeseen.has(version)) onUnforeseen(version);
    unforeseen.add(version);
    yield warning(
      `Nix ${version} asks its store otherwise than is foreseen: what was being evaluated is evaluated again, and it takes longer from now on`,
    );
  }

  /** What ended here ends with errors of its own. */
  #causeOf(error: unknown): unknown {
    if (!(error instanceof DaemonLostError)) return error;
    if (this.#scope.signal.aborted) return cancelled();
    return performance.now() > this.#scope.deadline ? timedOut() : error;
  }

  /** What is known only after the walk. */
  async *#tellRest(
    scope: EvaluationScope,
    source: EvaluationSource,
  ): AsyncGenerator<EvaluationEvent, void, undefined> {
    for await (const { path, error } of askThrownMessages(scope, source, this.#thrown)) {
      if (error === null) this.#isRepeatable = false;
      yield errorJob(path, error ?? unknownMessage(path));
    }
    for (const { path, type } of this.#missing.values()) {
      yield errorJob(path, missingMessage(path, type));
    }
  }

  /** What a finding is for whoever asked; null when it is only for us. */
  #eventOf(finding: Finding, pattern: AttributePattern): EvaluationEvent | null {
    switch (finding.type) {
      case "message":
      case "build":
        return this.#messageEvent(finding.message);
      case "job": {
        this.#missing.delete(JSON.stringify(finding.path));
        const { path, drvPath, outputName } = finding;
        const fault = this.#faultOf(drvPath);
        if (fault !== null) {
          this.#isRepeatable = false;
          return errorJob(path, fault);
        }
        const attribute = [...path];
        return { type: "job", job: { outcome: "derivation", attribute, drvPath, outputName } };
      }
      case "thrown":
        this.#forget(finding.path);
        this.#thrown.push(finding.path);
        return null;
      case "other": {
        const { path, valueType } = finding;
        const missing = this.#missing.get(JSON.stringify(path));
        if (missing === undefined) return errorJob(path, missingMessage(path, valueType));
        missing.type = valueType;
        return null;
      }
      case "failed":
        this.#forget(finding.path);
        this.#isRepeatable = false;
        return isExcluded(pattern, finding.path) ? null : errorJob(finding.path, finding.error);
    }
  }

  /** A set of attributes that only calls itself a derivation may name any text as its `drvPath`. */
  #faultOf(drvPath: string): string | null {
    if (!isDrvPath(drvPath)) return `its drvPath is no derivation of the store: '${drvPath}'`;
    if (existsSync(this.#options.store.physicalPath(drvPath))) return null;
    return `its drvPath is not in the store: ${drvPath}`;
  }

  #messageEvent(message: EvaluationMessage): EvaluationEvent | null {
    this.#messages += 1;
    if (this.#messages > MAX_MESSAGES) return null;
    if (this.#messages < MAX_MESSAGES) return { type: "message", message };
    return notice(`more than ${MAX_MESSAGES} messages: the rest is left out`);
  }

  /** What lies below an attribute that failed is not missing: nobody knows. */
  #forget(attribute: AttributePath): void {
    for (const [key, { path: name }] of this.#missing) {
      if (attribute.every((each, index) => name[index] === each)) this.#missing.delete(key);
    }
  }
}

function withHint(error: unknown, source: EvaluationSource): unknown {
  if (!(error instanceof EvaluationError) || error.code !== "evaluation_failed") return error;
  if (isOfArgument(error.message, source)) {
    const message = `${error.message}\nin the expression of an argument`;
    return new EvaluationError("bad_argument", message, error);
  }
  const message = source.isPure ? lockHint(error.message) : error.message;
  return message === error.message ? error : new EvaluationError("bad_flake", message, error);
}

/** What Nix reads before it evaluates anything has a place in a file, but for arguments. */
function isOfArgument(message: string, { arguments: given }: EvaluationSource): boolean {
  if (!given.some(({ kind }) => kind === "expression")) return false;
  return /^(?:syntax error|undefined variable)/.test(message) && !/\nat /.test(message);
}

function notice(text: string): EvaluationEvent {
  return { type: "message", message: { level: "Notice", text } };
}

function warning(text: string): Extract<EvaluationEvent, { type: "message" }> {
  return { type: "message", message: { level: "Warning", text } };
}

function ageOf(ageMs: number): string {
  const minutes = Math.round(ageMs / 60_000);
  if (minutes === 0) return "a moment";
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
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
