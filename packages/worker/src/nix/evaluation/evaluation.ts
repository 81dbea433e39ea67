import {
  type AttributePath,
  type AttributePattern,
  PatternError,
  formatAttributePath,
  isExcluded,
  parsePattern,
} from "@gradient/protocol";
import type { EvaluationEvent, Evaluator } from "../../ports.ts";
import type { EvaluatorOptions } from "../evaluate.ts";
import { EvaluationError } from "../evaluation-error.ts";
import type { EvaluationSource } from "./evaluation-source.ts";
import type { EvaluationScope } from "./evaluator-process.ts";
import { locateSource, lockHint } from "./locate-source.ts";
import { type Finding, SharedWalk } from "./shared-walk.ts";
import { askThrownMessages, unknownMessage } from "./thrown-messages.ts";

const MAX_MESSAGES = 500;

type EvaluationRequest = Parameters<Evaluator["evaluate"]>[0];

/** One evaluation, from its subject to the last job. */
export class Evaluation {
  readonly #options: Required<EvaluatorOptions>;
  readonly #request: EvaluationRequest;
  readonly #scope: EvaluationScope;
  /** Paths that threw: their messages have to be asked for. */
  readonly #thrown: AttributePath[] = [];
  /** Names without wildcards that have not been found to be derivations. */
  #missing = new Map<string, { path: AttributePath; type: string | null }>();
  #messages = 0;

  constructor(options: Required<EvaluatorOptions>, request: EvaluationRequest) {
    this.#options = options;
    this.#request = request;
    this.#scope = {
      nix: options.nix,
      meter: request.meter,
      signal: request.signal,
      deadline: Date.now() + request.timeoutMs,
      attributeTimeoutMs: options.attributeTimeoutMs,
      memoryCeilingBytes: options.memoryCeilingBytes,
      stateDirectory: options.stateDirectory,
      workingDirectory: request.workingDirectory ?? "/",
    };
  }

  async *run(): AsyncGenerator<EvaluationEvent, void, undefined> {
    const { nix, store, processes } = this.#options;
    const { subject, meter, signal, timeoutMs } = this.#request;
    const pattern = readPattern(this.#request.pattern);
    const literals = literalsOf(pattern);
    this.#missing = new Map(
      literals.map((each) => [JSON.stringify(each), { path: each, type: null }]),
    );
    const source = await locateSource(subject, { nix, store, meter, timeoutMs, signal });
    const plan = { ...pattern, literals };
    const walk = new SharedWalk({ scope: this.#scope, source, plan, processes });
    try {
      for await (const finding of walk.run()) {
        const event = this.#eventOf(finding, pattern);
        if (event !== null) yield event;
      }
    } catch (error) {
      throw withHint(error, source);
    }
    yield* this.#tellThrown(source);
    for (const { path, type } of this.#missing.values()) {
      yield errorJob(path, missingMessage(path, type));
    }
  }

  async *#tellThrown(source: EvaluationSource): AsyncGenerator<EvaluationEvent, void, undefined> {
    for await (const { path, error } of askThrownMessages(this.#scope, source, this.#thrown)) {
      yield errorJob(path, error ?? unknownMessage(path));
    }
  }

  /** What a finding is for whoever asked; null when it is only for us. */
  #eventOf(finding: Finding, pattern: AttributePattern): EvaluationEvent | null {
    switch (finding.type) {
      case "message":
        return this.#messageEvent(finding);
      case "job": {
        this.#missing.delete(JSON.stringify(finding.path));
        const { path, drvPath } = finding;
        return { type: "job", job: { outcome: "derivation", attribute: [...path], drvPath } };
      }
      case "thrown":
        this.#forget(finding.path);
        this.#thrown.push(finding.path);
        return null;
      case "other": {
        const missing = this.#missing.get(JSON.stringify(finding.path));
        if (missing !== undefined) missing.type = finding.valueType;
        return null;
      }
      case "failed":
        this.#forget(finding.path);
        return isExcluded(pattern, finding.path) ? null : errorJob(finding.path, finding.error);
    }
  }

  #messageEvent({ message }: Extract<Finding, { type: "message" }>): EvaluationEvent | null {
    this.#messages += 1;
    if (this.#messages > MAX_MESSAGES) return null;
    if (this.#messages < MAX_MESSAGES) return { type: "message", message };
    const text = `more than ${MAX_MESSAGES} messages: the rest is left out`;
    return { type: "message", message: { level: "Warning", text } };
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
  const message = source.isPure ? lockHint(error.message) : error.message;
  return message === error.message ? error : new EvaluationError("bad_flake", message, error);
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
