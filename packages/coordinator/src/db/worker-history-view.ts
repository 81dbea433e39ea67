import type { Queries } from "./client.ts";

/** One attempt of an organization on one worker. */
export interface WorkerAttempt {
  readonly number: number;
  readonly status: string;
  /** Milliseconds since the epoch. */
  readonly assignedAt: number;
  readonly startedAt: number | null;
  readonly stoppedAt: number | null;
}

/** The organization's among the newest attempts that the worker was given, newest first. Looks at `limit` attempts at most, whoever's they are. */
export async function listWorkerAttempts(
  db: Queries,
  key: { organizationId: string; workerId: string },
  limit: number,
): Promise<WorkerAttempt[]> {
  const newest = db
    .selectFrom("attempts")
    .select(["number", "build_id", "status", "assigned_at", "started_at", "stopped_at"])
    .where("worker_id", "=", key.workerId)
    .where("assigned_at", "is not", null)
    .orderBy("number", "desc")
    .limit(limit);
  const rows = await db
    .selectFrom(newest.as("a"))
    .innerJoin("builds", "builds.id", "a.build_id")
    .select(["a.number", "a.status", "a.started_at", "a.stopped_at"])
    .select((eb) => eb.fn.coalesce("a.assigned_at", eb.lit(0)).as("assigned_at"))
    .where("builds.organization_id", "=", key.organizationId)
    .orderBy("a.number", "desc")
    .execute();
  return rows.map((row) => ({
    number: row.number,
    status: row.status,
    assignedAt: row.assigned_at,
    startedAt: row.started_at,
    stoppedAt: row.stopped_at,
  }));
}
