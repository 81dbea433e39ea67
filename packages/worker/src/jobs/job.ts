import type { AssignmentId, Failure, Phase } from "@gradient/protocol";
import { reasonOf } from "../error-facts.ts";
import { WorkerError } from "../errors.ts";
import type { JournalEntry } from "../journal/entry.ts";
import type { Logger } from "../logger.ts";
import type { UsageMeters, NixStore, Signer } from "../ports.ts";
import type { Transfers } from "../transfer/transfers.ts";
import type { Traffic } from "../transfer/client.ts";
import type { JobAccount } from "./account.ts";
import type { Ahead } from "./ahead.ts";
import type { Imports } from "./imports.ts";

/** What every kind of job works with. */
export interface JobTools {
  readonly store: NixStore;
  readonly signer: Signer;
  readonly meters: UsageMeters;
  readonly transfers: Transfers;
  readonly imports: Imports;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One assignment while it runs. It is also the scope of its transfers. */
export interface Job {
  readonly assignment: AssignmentId;
  readonly entry: JournalEntry;
  /** Fires with a JobEndedError. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly account: JobAccount;
  /** The account's, which transfers count in. */
  readonly traffic: Traffic;
  /** Of a build that was offered ahead: it gets ready, and waits for it. */
  readonly ahead: Ahead | null;
  /** Writes the phase down and tells the coordinator. */
  setPhase(phase: Phase): void;
}

/** Why running work was ended from outside: the coordinator cancelled it, or this process has to go. */
export class JobEndedError extends WorkerError {
  override name = "JobEndedError";

  constructor(by: "cancel" | "shutdown", message: string) {
    super(by, message, { isTransient: by === "shutdown" });
  }
}

/** The error as a result tells it. Errors that are no WorkerError are faults of ours and may go away with another worker. */
export function failureOf(error: unknown): Failure {
  return {
    message: reasonOf(error),
    isTransient: error instanceof WorkerError ? error.isTransient : true,
    isInterruption: error instanceof JobEndedError && error.code === "shutdown",
  };
}
