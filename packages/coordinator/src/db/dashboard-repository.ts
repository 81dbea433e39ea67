import { z } from "zod";
import type { Queries } from "./client.ts";
import { readJsonColumn } from "./json-column.ts";

const DAY_MS = 86_400_000;
/** Rows that go with one registration. */
const PART = 100;

export interface Dashboard {
  readonly id: string;
  readonly projectId: string;
  readonly names: readonly string[];
  readonly usedAt: number;
}

/** `names` as they were sent: they need not be those of jobs. */
export async function insertDashboard(
  db: Queries,
  dashboard: Omit<Dashboard, "usedAt"> & { createdBy: string | null },
  now: number,
): Promise<void> {
  const { id, projectId, names, createdBy } = dashboard;
  await db
    .insertInto("dashboards")
    .values({
      id,
      project_id: projectId,
      names_json: JSON.stringify(names),
      created_by: createdBy,
      created_at: now,
      used_at: now,
    })
    .execute();
}

/** Also those that are old enough to go and were not removed yet. */
export async function countDashboards(db: Queries, projectId: string): Promise<number> {
  const { count } = await db
    .selectFrom("dashboards")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("project_id", "=", projectId)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Removes some that nobody has looked at since. */
export async function deleteUnusedDashboards(db: Queries, before: number): Promise<void> {
  await db
    .deleteFrom("dashboards")
    .where("id", "in", (select) =>
      select.selectFrom("dashboards").select("id").where("used_at", "<", before).limit(PART),
    )
    .execute();
}

/** By the id that its address has. Whose project it is of is for the caller to decide. */
export async function findDashboard(db: Queries, id: string): Promise<Dashboard | null> {
  const row = await db
    .selectFrom("dashboards")
    .select(["id", "project_id", "names_json", "used_at"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return null;
  const names = readJsonColumn(z.array(z.string()), row.names_json);
  return { id: row.id, projectId: row.project_id, names, usedAt: row.used_at };
}

/** Notes once a day that somebody looks at it. */
export async function useDashboard(
  db: Queries,
  { id, usedAt }: Dashboard,
  now: number,
): Promise<void> {
  if (now - usedAt < DAY_MS) return;
  await db.updateTable("dashboards").set({ used_at: now }).where("id", "=", id).execute();
}
