import { WorkerError } from "../errors.ts";

/** A transfer that the coordinator refused, or that did not get through after all retries. */
export class TransferError extends WorkerError {
  override name = "TransferError";
  /** HTTP status; null when there was no answer. */
  readonly status: number | null;

  constructor(
    code: string,
    message: string,
    options: { status: number | null; isTransient: boolean; cause?: unknown },
  ) {
    super(code, message, options);
    this.status = options.status;
  }
}
