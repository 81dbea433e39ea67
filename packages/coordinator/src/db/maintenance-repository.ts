import type { Selectable } from "kysely";
import { v7 as uuidv7 } from "uuid";
import { noProgress, progressSchema, type Progress } from "../collection/progress.ts";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";
import type { MaintenanceTasksTable } from "./maintenance-tables.ts";

/** Work that goes over everything that is stored. Times are milliseconds since the epoch. */
export interface MaintenanceTask {
  readonly id: string;
  readonly kind: MaintenanceTasksTable["kind"];
  readonly state: MaintenanceTasksTable["state"];
  /** null for all caches. */
  readonly cacheId: string | null;
  readonly isDryRun: boolean;
  readonly isRepair: boolean;
  readonly progress: Progress;
  readonly error: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** What is asked for. */
export interface TaskRequest {
  readonly kind: MaintenanceTasksTable["kind"];
  readonly cacheId?: string | null;
  readonly isDryRun?: boolean;
  readonly isRepair?: boolean;
  /** Id of the user; null for the server itself and its command line. */
  readonly requestedBy?: string | null;
}

/** Queues a task. Resolves to null when one of its kind is not finished. */
export async function insertTask(
  db: Queries,
  request: TaskRequest,
  now: number,
): Promise<string | null> {
  const unfinished = await findUnfinishedTasks(db);
  if (unfinished.some(({ kind }) => kind === request.kind)) return null;
  const id = uuidv7();
  await db
    .insertInto("maintenance_tasks")
    .values({
      id,
      kind: request.kind,
      state: "queued",
      cache_id: request.cacheId ?? null,
      dry_run: request.isDryRun === true ? 1 : 0,
      repair: request.isRepair === true ? 1 : 0,
      progress_json: JSON.stringify(noProgress()),
      error: null,
      requested_by: request.requestedBy ?? null,
      created_at: now,
      started_at: null,
      finished_at: null,
    })
    .execute();
  return id;
}

/** Tasks that are queued or were begun, the oldest first. */
export async function findUnfinishedTasks(db: Queries): Promise<MaintenanceTask[]> {
  const rows = await db
    .selectFrom("maintenance_tasks")
    .selectAll()
    .where("finished_at", "is", null)
    .orderBy("created_at")
    .execute();
  return rows.map(taskOf);
}

/** null for one that does not exist, or that ended so long ago that it is forgotten. */
export async function findTask(db: Queries, id: string): Promise<MaintenanceTask | null> {
  const row = await db
    .selectFrom("maintenance_tasks")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined ? null : taskOf(row);
}

/** The newest first. */
export async function listTasks(db: Queries, limit: number): Promise<MaintenanceTask[]> {
  const rows = await db
    .selectFrom("maintenance_tasks")
    .selectAll()
    .orderBy("created_at", "desc")
    .limit(limit)
    .execute();
  return rows.map(taskOf);
}

/** The task of the kind that was last asked for, over all caches or over the one; no dry run. */
export async function findLastTask(
  db: Queries,
  kind: MaintenanceTask["kind"],
  cacheId: string | null,
): Promise<MaintenanceTask | null> {
  const row = await db
    .selectFrom("maintenance_tasks")
    .selectAll()
    .where("kind", "=", kind)
    .where("cache_id", cacheId === null ? "is" : "=", cacheId)
    .where("dry_run", "=", 0)
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : taskOf(row);
}

/** Also one that a coordinator had begun before it stopped: it begins anew. */
export async function startTask(db: Queries, id: string, now: number): Promise<void> {
  await db
    .updateTable("maintenance_tasks")
    .set({ state: "running", started_at: now })
    .where("id", "=", id)
    .execute();
}

/** In place of what was told before: a task has one report. */
export async function setProgress(db: Queries, id: string, progress: Progress): Promise<void> {
  await db
    .updateTable("maintenance_tasks")
    .set({ progress_json: JSON.stringify(progress) })
    .where("id", "=", id)
    .execute();
}

/** `error` is null when the task came to its end. */
export async function finishTask(
  db: Queries,
  id: string,
  end: { progress: Progress; error: string | null },
  now: number,
): Promise<void> {
  await db
    .updateTable("maintenance_tasks")
    .set({
      state: end.error === null ? "completed" : "failed",
      progress_json: JSON.stringify(end.progress),
      error: end.error,
      finished_at: now,
    })
    .where("id", "=", id)
    .execute();
}

/** By the time at which they were asked for, milliseconds since the epoch. What has not finished stays. */
export async function deleteTasksBefore(db: Queries, time: number): Promise<void> {
  await db
    .deleteFrom("maintenance_tasks")
    .where("created_at", "<", time)
    .where("finished_at", "is not", null)
    .execute();
}

function taskOf(row: Selectable<MaintenanceTasksTable>): MaintenanceTask {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    cacheId: row.cache_id,
    isDryRun: row.dry_run === 1,
    isRepair: row.repair === 1,
    progress: readJsonColumn(progressSchema, row.progress_json),
    error: row.error,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
