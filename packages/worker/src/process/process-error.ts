import { WorkerError } from "../errors.ts";

export type ProcessErrorCode =
  | "process_not_started"
  | "process_failed"
  | "process_timeout"
  | "process_cancelled"
  | "process_output_too_large";

/**
 * A program that could not be started, failed, or was ended by us. Arguments are left out on purpose: they may hold what
 * must not be logged.
 */
export class ProcessError extends WorkerError {
  override name = "ProcessError";
  readonly command: string;
  /** null when the process ended by a signal, or never started. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** End of what it wrote to stderr, at most 64 KiB. */
  readonly stderr: string;

  constructor(
    code: ProcessErrorCode,
    message: string,
    details: {
      command: string;
      exitCode?: number | null;
      signal?: string | null;
      stderr?: string;
      isTransient?: boolean;
      cause?: unknown;
    },
  ) {
    super(code, message, { isTransient: details.isTransient ?? false, cause: details.cause });
    this.command = details.command;
    this.exitCode = details.exitCode ?? null;
    this.signal = details.signal ?? null;
    this.stderr = details.stderr ?? "";
  }
}

/** `exit code 7` or `signal SIGKILL`, for messages. */
export function describeExit(exit: { exitCode: number | null; signal: string | null }): string {
  if (exit.signal !== null) return `signal ${exit.signal}`;
  return exit.exitCode === null ? "an unknown state" : `exit code ${exit.exitCode}`;
}
