import type {
  AssignmentId,
  AssignmentKind,
  Fencing,
  OrganizationId,
  WorkerId,
} from "@gradient/protocol";
import type { Generated } from "kysely";

/** Leases: a row exists from the offer until the result was handled or the lease was lost. */
export interface AssignmentsTable {
  fencing: Generated<Fencing>;
  id: AssignmentId;
  kind: AssignmentKind;
  organization_id: OrganizationId;
  evaluation_id: string | null;
  /** Of a build; null as long as it is only offered ahead. */
  attempt: number | null;
  worker_id: WorkerId;
  epoch: number;
  state: "offered" | "accepted";
  lease_expires_at: number;
  created_at: number;
  /** Of a build: what of the worker is not given to others. */
  reserved_memory_bytes: number | null;
  reserved_cores: number | null;
}

/** What a result was answered with, so that a result that is sent again gets the same answer. Kept for some days. */
export interface AssignmentAnswersTable {
  fencing: number;
  assignment_id: string;
  worker_id: string;
  accepted: 0 | 1;
  reason: string | null;
  answered_at: number;
}

/** What workers hold, and what they were answered. */
export interface AssignmentTables {
  assignment_answers: AssignmentAnswersTable;
  assignments: AssignmentsTable;
}
