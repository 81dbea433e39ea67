import type { Fencing, OrganizationId, WorkerId } from "@gradient/protocol";
import { workerIdSchema, organizationIdSchema } from "@gradient/protocol";
import { batchesOf } from "./batches.ts";
import type { Queries } from "./client.ts";

/** Paths that one worker could sign for one organization. */
export interface UnsignedGroup {
  readonly worker: WorkerId;
  readonly organization: OrganizationId;
  /** When the first of them may be offered, milliseconds since the epoch. */
  readonly dueAt: number;
}

/** A path that a sign assignment is about. */
export interface UnsignedPath {
  /** Base name. */
  readonly path: string;
  /** Assignments that came to nothing. */
  readonly tries: number;
}

/** Lists paths that the worker has published without its signature. One that is listed already stays with whoever published it first. */
export async function insertUnsignedPaths(
  db: Queries,
  organization: OrganizationId,
  worker: WorkerId,
  bases: readonly string[],
  now: number,
): Promise<void> {
  for (const batch of batchesOf(bases)) {
    const rows = batch.map((path) => ({
      organization_id: organization,
      path,
      worker_id: worker,
      fencing: null,
      due_at: now,
    }));
    await db
      .insertInto("unsigned_paths")
      .values(rows)
      .onConflict((conflict) => conflict.columns(["organization_id", "path"]).doNothing())
      .execute();
  }
}

/** What is listed and not given out: of one worker, or of all. */
export async function findUnsignedGroups(db: Queries, worker?: WorkerId): Promise<UnsignedGroup[]> {
  let query = db
    .selectFrom("unsigned_paths")
    .select((eb) => ["worker_id", "organization_id", eb.fn.min("due_at").as("due_at")])
    .where("fencing", "is", null)
    .groupBy(["worker_id", "organization_id"]);
  if (worker !== undefined) query = query.where("worker_id", "=", worker);
  const rows = await query.execute();
  return rows.map((row) => ({
    worker: workerIdSchema.parse(row.worker_id),
    organization: organizationIdSchema.parse(row.organization_id),
    dueAt: row.due_at,
  }));
}

/** Gives paths that are due to a sign assignment, the longest due first. Resolves to their base names. */
export async function claimUnsignedPaths(
  db: Queries,
  lease: { fencing: Fencing; organization: OrganizationId; worker: WorkerId },
  options: { now: number; limit: number },
): Promise<string[]> {
  const rows = await db
    .updateTable("unsigned_paths")
    .set({ fencing: lease.fencing })
    .where("organization_id", "=", lease.organization)
    .where("path", "in", (eb) =>
      eb
        .selectFrom("unsigned_paths")
        .select("path")
        .where("worker_id", "=", lease.worker)
        .where("organization_id", "=", lease.organization)
        .where("fencing", "is", null)
        .where("due_at", "<=", options.now)
        .orderBy("due_at")
        .orderBy("path")
        .limit(options.limit),
    )
    .returning("path")
    .execute();
  return rows.map(({ path }) => path).toSorted();
}

/** What was given to a sign assignment and neither signed nor put back yet, in the order of the paths. */
export async function findClaimedPaths(db: Queries, fencing: Fencing): Promise<UnsignedPath[]> {
  return db
    .selectFrom("unsigned_paths")
    .select(["path", "tries"])
    .where("fencing", "=", fencing)
    .orderBy("path")
    .execute();
}

/** Keeps paths on the list for another assignment, not before `dueAt`. */
export async function postponeUnsignedPath(
  db: Queries,
  organization: OrganizationId,
  { path, tries }: UnsignedPath,
  dueAt: number,
): Promise<void> {
  await db
    .updateTable("unsigned_paths")
    .set({ tries, due_at: dueAt })
    .where("organization_id", "=", organization)
    .where("path", "=", path)
    .execute();
}

/** Takes paths from the list. */
export async function deleteUnsignedPaths(
  db: Queries,
  organization: OrganizationId,
  bases: readonly string[],
): Promise<void> {
  for (const batch of batchesOf(bases)) {
    await db
      .deleteFrom("unsigned_paths")
      .where("organization_id", "=", organization)
      .where("path", "in", batch)
      .execute();
  }
}
