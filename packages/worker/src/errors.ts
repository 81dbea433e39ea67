/**
 * Base of every error this package throws on purpose. `code` is stable and meant for programs; `message` is for people:
 * it names the thing and says what to do. `isTransient` says whether the same work is worth another attempt.
 */
export class WorkerError extends Error {
  override name = "WorkerError";
  readonly code: string;
  readonly isTransient: boolean;

  constructor(
    code: string,
    message: string,
    options: { isTransient?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.isTransient = options.isTransient ?? false;
  }
}

/** A mistake of whoever operates the worker: printed as one line, without a stack. */
export class UserError extends WorkerError {
  override name = "UserError";
  readonly exitCode: number;

  constructor(code: string, message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(code, message, { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}
