import { CoordinatorError } from "../errors.ts";

export type OutboundFault =
  /** No address that may be asked: a wrong scheme, a password in it, a private network. */
  | "address_refused"
  /** No connection, or one that broke off. */
  | "unreachable"
  | "timeout"
  | "answer_too_large"
  | "redirect_refused";

/** A request to an address that a user gave failed before there was an answer. The text may be shown to that user. */
export class OutboundError extends CoordinatorError {
  override name = "OutboundError";
  readonly fault: OutboundFault;

  constructor(fault: OutboundFault, message: string, cause?: unknown) {
    super(message, 400, fault, cause);
    this.fault = fault;
  }

  /** Whether the same request may go better later. */
  shouldRetry(): boolean {
    return this.fault === "unreachable" || this.fault === "timeout";
  }
}
