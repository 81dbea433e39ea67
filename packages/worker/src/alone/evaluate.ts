import type { EvaluatedJob, EvaluationMessage } from "@gradient/protocol";
import { EvaluationError } from "../nix/evaluation-error.ts";
import type { EvaluationEvent, Evaluator, UsageMeter } from "../ports.ts";
import { EVERYTHING, type Selection, isBelow, missingMessage } from "./selection.ts";
import type { Target } from "./target.ts";

export interface EvaluationRun {
  readonly evaluator: Evaluator;
  readonly target: Target;
  readonly selections: readonly Selection[];
  /** Where relative paths in arguments begin. */
  readonly directory: string;
  readonly timeoutMs: number;
  readonly meter: UsageMeter;
  readonly signal: AbortSignal;
}

export type SelectedEvent = EvaluationEvent & {
  /** The selection that it belongs to. */
  readonly selection: Selection;
};

/** Evaluates each selection, one after the other. A name that leads to nothing is a job with an error. */
export async function* evaluateSelections(
  run: EvaluationRun,
): AsyncGenerator<SelectedEvent, void, undefined> {
  for (const selection of run.selections) yield* evaluateSelection(run, selection);
}

async function* evaluateSelection(
  run: EvaluationRun,
  selection: Selection,
): AsyncGenerator<SelectedEvent, void, undefined> {
  const found: EvaluatedJob["attribute"][] = [];
  for (const pattern of selection.patterns) {
    for await (const event of evaluate(run, pattern)) {
      if (event.type === "job") found.push(event.job.attribute);
      yield { ...event, selection };
    }
    if (found.length > 0) break;
  }
  if (found.length === 0 && selection.patterns.length > 1) {
    const names = selection.patterns.map((pattern) => pattern.replace(/\.\*\*$/, "")).join(", ");
    throw new EvaluationError("no_expression", `${run.target.text} has none of ${names}`);
  }
  if (found.length === 0 && selection.roots.length === 0) {
    yield { type: "message", message: nothingFound(run.target, selection), selection };
  }
  for (const root of selection.roots) {
    if (found.some((attribute) => isBelow(root, attribute))) continue;
    const error = missingMessage(root);
    yield {
      type: "job",
      job: { outcome: "error", attribute: [...root], error },
      selection,
    };
  }
}

/** Nix is content with nothing, and so are we; but mostly it was meant otherwise. */
function nothingFound(target: Target, { patterns }: Selection): EvaluationMessage {
  const asked = patterns.filter((pattern) => pattern !== EVERYTHING).join(" or ");
  const which = asked === "" ? "no derivation" : `no derivation that '${asked}' selects`;
  return { level: "Warning", text: `there is ${which} in ${target.text}` };
}

function evaluate(run: EvaluationRun, pattern: string): AsyncIterable<EvaluationEvent> {
  const { evaluator, target, directory, timeoutMs, meter, signal } = run;
  const { subject } = target;
  return evaluator.evaluate({
    subject,
    pattern,
    workingDirectory: directory,
    timeoutMs,
    meter,
    signal,
  });
}
