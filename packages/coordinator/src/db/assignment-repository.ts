import type {
  AssignmentId,
  AssignmentKind,
  EvaluationId,
  Fencing,
  OrganizationId,
  WorkerId,
} from "@gradient/protocol";
import { evaluationIdSchema } from "@gradient/protocol";
import type { Insertable, Selectable, Updateable } from "kysely";
import type { Amounts } from "../scheduler/demand.ts";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";
import { reusable } from "./reusable-query.ts";
import type { AssignmentAnswersTable, AssignmentsTable } from "./assignment-tables.ts";

/** Something that a worker holds: from the offer until its result was handled or the lease was lost. */
export interface Lease {
  readonly fencing: Fencing;
  readonly assignment: AssignmentId;
  readonly kind: AssignmentKind;
  readonly organization: OrganizationId;
  /** Of a fetch or an evaluation. */
  readonly evaluation: EvaluationId | null;
  /** Of a build; null as long as it is only offered ahead. */
  readonly attempt: number | null;
  readonly worker: WorkerId;
  /** Of a build: what of the worker is set aside for it. */
  readonly reserved: Amounts | null;
  readonly state: "offered" | "accepted";
  /** Of an offer: until when it has to be accepted. Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The build still lacks an input, which the same worker makes. */
export function isAhead({ kind, attempt }: Pick<Lease, "kind" | "attempt">): boolean {
  return kind === "build" && attempt === null;
}

/** An assignment before it has its fencing number. */
export type NewLease = Omit<Lease, "fencing" | "state"> & { readonly epoch: number };

function leaseOf(row: Selectable<AssignmentsTable>): Lease {
  return {
    fencing: row.fencing,
    assignment: row.id,
    kind: row.kind,
    organization: row.organization_id,
    evaluation: row.evaluation_id === null ? null : evaluationIdSchema.parse(row.evaluation_id),
    attempt: row.attempt,
    worker: row.worker_id,
    reserved:
      row.reserved_memory_bytes === null || row.reserved_cores === null
        ? null
        : { memoryBytes: row.reserved_memory_bytes, cores: row.reserved_cores },
    state: row.state,
    expiresAt: row.lease_expires_at,
  };
}

const insertAssignment = reusable((db, assignment: Insertable<AssignmentsTable>) =>
  db.insertInto("assignments").values(assignment).returningAll(),
);

/** Stores an offer and gives it its fencing number, which grows with every offer of the farm. */
export async function insertLease(db: Queries, lease: NewLease, now: number): Promise<Lease> {
  const [row] = (
    await insertAssignment(db, {
      id: lease.assignment,
      kind: lease.kind,
      organization_id: lease.organization,
      evaluation_id: lease.evaluation,
      attempt: lease.attempt,
      worker_id: lease.worker,
      epoch: lease.epoch,
      reserved_memory_bytes: lease.reserved?.memoryBytes ?? null,
      reserved_cores: lease.reserved?.cores ?? null,
      state: "offered",
      lease_expires_at: lease.expiresAt,
      created_at: now,
    })
  ).rows;
  if (row === undefined) throw new Error(`assignment ${lease.assignment} was not stored`);
  return leaseOf(row);
}

/** Everything that is given out, in the order in which it was: what a coordinator takes over when it starts. */
export async function findAllLeases(db: Queries): Promise<Lease[]> {
  const rows = await db.selectFrom("assignments").selectAll().orderBy("fencing").execute();
  return rows.map(leaseOf);
}

const selectLease = reusable((db, fencing: Fencing, worker: WorkerId) =>
  db
    .selectFrom("assignments")
    .selectAll()
    .where("fencing", "=", fencing)
    .where("worker_id", "=", worker),
);

/** The lease, if it still belongs to this worker. */
export async function findLease(
  db: Queries,
  fencing: Fencing,
  worker: WorkerId,
): Promise<Lease | null> {
  const [row] = (await selectLease(db, fencing, worker)).rows;
  return row === undefined ? null : leaseOf(row);
}

const updateToAccepted = reusable((db, fencing: Fencing, accepted: Updateable<AssignmentsTable>) =>
  db
    .updateTable("assignments")
    .set(accepted)
    .where("fencing", "=", fencing)
    .where("state", "=", "offered")
    .returningAll(),
);

/** Turns an offer into a lease. One that was made ahead gets its attempt with it. Null when the offer is gone. */
export async function acceptLease(
  db: Queries,
  { fencing, attempt, reserved }: Lease,
  expiresAt: number,
): Promise<Lease | null> {
  const { rows } = await updateToAccepted(db, fencing, {
    state: "accepted",
    lease_expires_at: expiresAt,
    attempt,
    reserved_memory_bytes: reserved?.memoryBytes ?? null,
    reserved_cores: reserved?.cores ?? null,
  });
  const [row] = rows;
  return row === undefined ? null : leaseOf(row);
}

/** For as long as the worker's connection lives. Offers are not renewed: who does not accept in time loses them. */
export async function renewLeases(db: Queries, worker: WorkerId, expiresAt: number): Promise<void> {
  await db
    .updateTable("assignments")
    .set({ lease_expires_at: expiresAt })
    .where("worker_id", "=", worker)
    .where("state", "=", "accepted")
    .execute();
}

/** Gives every holder at least until then: time in which nobody could renew or accept does not count. */
export async function extendLeases(
  db: Queries,
  state: Lease["state"],
  expiresAt: number,
): Promise<void> {
  await db
    .updateTable("assignments")
    .set({ lease_expires_at: expiresAt })
    .where("state", "=", state)
    .where("lease_expires_at", "<", expiresAt)
    .execute();
}

const deleteAssignment = reusable((db, fencing: Fencing) =>
  db.deleteFrom("assignments").where("fencing", "=", fencing),
);

/** False when the lease was not there any more. */
export async function deleteLease(db: Queries, fencing: Fencing): Promise<boolean> {
  const { numAffectedRows } = await deleteAssignment(db, fencing);
  return (numAffectedRows ?? 0n) > 0n;
}

/** Forgets offers that were made ahead, whoever has them. */
export async function deleteOffersAhead(db: Queries): Promise<void> {
  await db
    .deleteFrom("assignments")
    .where("kind", "=", "build")
    .where("attempt", "is", null)
    .execute();
}

/** Forgets what was given out of a kind, whoever has it. */
export async function deleteLeasesOfKind(db: Queries, kind: AssignmentKind): Promise<void> {
  await db.deleteFrom("assignments").where("kind", "=", kind).execute();
}

/** What a result was answered with. */
export interface Answer {
  isAccepted: boolean;
  reason: string | null;
}

const insertAssignmentAnswer = reusable((db, answer: AssignmentAnswersTable) =>
  db.insertInto("assignment_answers").values(answer),
);

/** Keeps what the worker was told, so that a result that comes again is answered alike. Once for each fencing number. */
export async function insertAnswer(
  db: Queries,
  lease: Lease,
  answer: Answer,
  now: number,
): Promise<void> {
  await insertAssignmentAnswer(db, {
    fencing: lease.fencing,
    assignment_id: lease.assignment,
    worker_id: lease.worker,
    accepted: answer.isAccepted ? 1 : 0,
    reason: answer.reason,
    answered_at: now,
  });
}

/** What the worker was told of this assignment; null when it never reported, or so long ago that it is forgotten. Another worker's answer is not told. */
export async function findAnswer(
  db: Queries,
  fencing: Fencing,
  worker: WorkerId,
): Promise<Answer | null> {
  const row = await db
    .selectFrom("assignment_answers")
    .select(["accepted", "reason"])
    .where("fencing", "=", fencing)
    .where("worker_id", "=", worker)
    .executeTakeFirst();
  return row === undefined ? null : { isAccepted: row.accepted === 1, reason: row.reason };
}

/** `time` in milliseconds since the epoch. A result that comes again after that is refused: its lease is gone. */
export async function deleteAnswersBefore(db: Queries, time: number): Promise<void> {
  await db.deleteFrom("assignment_answers").where("answered_at", "<", time).execute();
}

/** False when the batch had been delivered before. */
export async function insertEvaluationBatch(
  db: Queries,
  fencing: Fencing,
  sequence: number,
): Promise<boolean> {
  const result = await db
    .insertInto("evaluation_batches")
    .values({ fencing, sequence })
    .onConflict((conflict) => conflict.columns(["fencing", "sequence"]).doNothing())
    .executeTakeFirstOrThrow();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Whether the batch was taken: a worker that lost its connection sends from the last acknowledged one on. */
export async function hasEvaluationBatch(
  db: Queries,
  fencing: Fencing,
  sequence: number,
): Promise<boolean> {
  const row = await db
    .selectFrom("evaluation_batches")
    .select("sequence")
    .where("fencing", "=", fencing)
    .where("sequence", "=", sequence)
    .executeTakeFirst();
  return row !== undefined;
}

/** How many batches of jobs were taken of the assignment: its result says how many there were. */
export async function countEvaluationBatches(db: Queries, fencing: Fencing): Promise<number> {
  const row = await db
    .selectFrom("evaluation_batches")
    .select((eb) => eb.fn.countAll().as("count"))
    .where("fencing", "=", fencing)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** What is given out of an evaluation's own fetch and evaluation. */
export async function findLeasesOfEvaluation(db: Queries, evaluationId: string): Promise<Lease[]> {
  const rows = await db
    .selectFrom("assignments")
    .selectAll()
    .where("evaluation_id", "=", evaluationId)
    .execute();
  return rows.map(leaseOf);
}

/** Offers and running attempts of the builds (row ids), in no order. */
export async function findLeasesOfBuilds(db: Queries, builds: readonly number[]): Promise<Lease[]> {
  const leases: Lease[] = [];
  for (const batch of batchesOf(builds)) {
    const rows = await db
      .selectFrom("assignments")
      .innerJoin("attempts", "attempts.number", "assignments.attempt")
      .selectAll("assignments")
      .where("attempts.build_id", "in", batch)
      .execute();
    leases.push(...rows.map(leaseOf));
  }
  return leases;
}

/** Leases and offers that ran out. */
export async function findExpiredLeases(db: Queries, now: number): Promise<Lease[]> {
  const rows = await db
    .selectFrom("assignments")
    .selectAll()
    .where("lease_expires_at", "<=", now)
    .orderBy("fencing")
    .execute();
  return rows.map(leaseOf);
}
