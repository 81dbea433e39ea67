import type { IncomingHttpHeaders } from "node:http";
import {
  assignmentIdSchema,
  type AssignmentId,
  type EvaluationId,
  type OrganizationId,
  type PublicKey,
  type WorkerId,
} from "@gradient/protocol";
import { ForbiddenError, UnauthorizedError } from "../errors.ts";
import type { LeaseBook } from "../queue/lease-book.ts";

/** On whose behalf a transfer happens. */
export interface TransferGrant {
  readonly worker: WorkerId;
  readonly workerKey: PublicKey;
  readonly assignment: AssignmentId;
  /** Whose caches are read and written: that of the assignment. */
  readonly organization: OrganizationId;
  /** What the assignment fetches or evaluates; null when it does something else. */
  readonly evaluation: EvaluationId | null;
}

/** Sessions, as far as transfers are concerned. */
export interface TransferSessions {
  findByTransferToken(
    token: string,
  ): { readonly id: WorkerId; readonly publicKey: PublicKey } | null;
}

/** The one place that decides what a transfer may touch: a live session's token, and an assignment that this session's worker holds. */
export function grantTransfer(
  sessions: TransferSessions,
  leases: LeaseBook,
  headers: IncomingHttpHeaders,
): TransferGrant {
  const token = /^Bearer ([\w-]{1,128})$/i.exec(headers.authorization ?? "")?.[1];
  const session = token === undefined ? null : sessions.findByTransferToken(token);
  if (session === null) {
    throw new UnauthorizedError(
      "the transfer token is missing or belongs to no live session: use the newest welcome's",
    );
  }
  const assignment = assignmentIdSchema.safeParse(headers["x-gradient-assignment"]);
  const held = assignment.success ? leases.findByAssignment(assignment.data) : null;
  if (held?.lease.worker !== session.id) {
    throw new ForbiddenError(
      "x-gradient-assignment has to name an assignment that this worker holds",
    );
  }
  return {
    worker: session.id,
    workerKey: session.publicKey,
    assignment: held.lease.assignment,
    organization: held.lease.organization,
    evaluation: held.lease.evaluation,
  };
}
