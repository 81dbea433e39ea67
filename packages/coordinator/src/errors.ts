export interface CoordinatorErrorOptions {
  /** Stable slug for programs; each class has a default. */
  code?: string;
  cause?: unknown;
}

/**
 * Base of every error whose text may be shown to whoever caused it. `code` is the stable slug of the answer, `status` its HTTP status.
 * Anything that is not a CoordinatorError is a bug: it is logged and answered with a fixed text.
 */
export class CoordinatorError extends Error {
  override name = "CoordinatorError";
  readonly code: string;
  readonly status: number;

  constructor(message: string, status: number, code: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
  }
}

/** Something was asked for that does not exist, or that the caller may not know of. */
export class NotFoundError extends CoordinatorError {
  override name = "NotFoundError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 404, options.code ?? "not_found", options.cause);
  }
}

/** The state of things forbids it: a name is taken, a last administrator would go. Codes `conflict` and `already_exists`. */
export class ConflictError extends CoordinatorError {
  override name = "ConflictError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 409, options.code ?? "conflict", options.cause);
  }
}

/** The caller is known and may not do this. */
export class ForbiddenError extends CoordinatorError {
  override name = "ForbiddenError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 403, options.code ?? "forbidden", options.cause);
  }
}

/** No credentials, or credentials that are not valid. */
export class UnauthorizedError extends CoordinatorError {
  override name = "UnauthorizedError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 401, options.code ?? "unauthorized", options.cause);
  }
}

/** The request is understood and breaks a rule. */
export class BadRequestError extends CoordinatorError {
  override name = "BadRequestError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 400, options.code ?? "bad_request", options.cause);
  }
}

/** The body is well-formed and has not the shape that the route's schema asks for. */
export class UnprocessableError extends CoordinatorError {
  override name = "UnprocessableError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 422, options.code ?? "unprocessable_entity", options.cause);
  }
}

/** It was there, and its time is over. */
export class GoneError extends CoordinatorError {
  override name = "GoneError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 410, options.code ?? "gone", options.cause);
  }
}

/** The body is larger than the limit that the message names. */
export class PayloadTooLargeError extends CoordinatorError {
  override name = "PayloadTooLargeError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 413, options.code ?? "payload_too_large", options.cause);
  }
}

/** The client came more often than it may. */
export class RateLimitedError extends CoordinatorError {
  override name = "RateLimitedError";
  /** Whole seconds until there is a request again. */
  readonly retryAfterSeconds: number;

  constructor(waitMs: number) {
    const seconds = Math.ceil(waitMs / 1000);
    super(`too many requests from this address; try again in ${seconds} s`, 429, "rate_limited");
    this.retryAfterSeconds = seconds;
  }
}

/** Not now: shutting down, or something that is needed does not answer. */
export class UnavailableError extends CoordinatorError {
  override name = "UnavailableError";

  constructor(message: string, options: CoordinatorErrorOptions = {}) {
    super(message, 503, options.code ?? "service_unavailable", options.cause);
  }
}

/** A repository could not be read; the message has git's own words. */
export class RepositoryUnreachableError extends CoordinatorError {
  override name = "RepositoryUnreachableError";
  readonly isTransient: boolean;

  constructor(message: string, isTransient: boolean) {
    super(message, 400, "repository_unreachable");
    this.isTransient = isTransient;
  }

  /** Whether the same repository may be reached later. */
  shouldRetry(): boolean {
    return this.isTransient;
  }
}

/** Repositories are read by workers, and none that may is connected. */
export class NoFetchWorkerError extends UnavailableError {
  override name = "NoFetchWorkerError";

  constructor() {
    super(
      "no worker that fetches for this organization is connected; the repository cannot be looked at without one",
    );
  }
}

/**
 * A mistake of whoever operates the coordinator: one line and an exit code, never a stack.
 * Exit code 2: a flag, setting or value that breaks a rule. 1: something outside is in the way (port, directory, file).
 */
export class UserError extends Error {
  override name = "UserError";
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 2;
  }
}
