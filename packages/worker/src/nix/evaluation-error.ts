import { WorkerError } from "../errors.ts";

export type EvaluationErrorCode =
  | "evaluation_failed"
  | "evaluation_timeout"
  | "evaluation_cancelled"
  | "bad_pattern"
  | "bad_argument"
  | "bad_flake"
  | "no_expression";

/** An evaluation that gave no answer as a whole. What fails for one attribute alone is a job with an error. */
export class EvaluationError extends WorkerError {
  override name = "EvaluationError";

  constructor(code: EvaluationErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}
