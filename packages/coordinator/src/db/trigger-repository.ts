import type { Insertable, Selectable } from "kysely";
import { v7 as uuidv7 } from "uuid";
import type { Queries } from "./client.ts";
import type { TriggersTable } from "./forge-tables.ts";

export type Trigger = Selectable<TriggersTable>;

/** A trigger with the forge that tells it. */
export interface ShownTrigger extends Trigger {
  integration_name: string | null;
  integration_display_name: string | null;
  integration_forge: string | null;
}

function shownQuery(db: Queries, projectId: string) {
  return db
    .selectFrom("triggers")
    .leftJoin("integrations", "integrations.id", "triggers.integration_id")
    .selectAll("triggers")
    .select([
      "integrations.name as integration_name",
      "integrations.display_name as integration_display_name",
      "integrations.forge as integration_forge",
    ])
    .where("triggers.project_id", "=", projectId)
    .where("triggers.is_hook", "=", 0);
}

/** Oldest first. */
export function listTriggers(db: Queries, projectId: string): Promise<ShownTrigger[]> {
  return shownQuery(db, projectId).orderBy("triggers.created_at").orderBy("triggers.id").execute();
}

/** Those that Cuirass's hook has made are not shown. */
export function findTrigger(
  db: Queries,
  projectId: string,
  id: string,
): Promise<ShownTrigger | undefined> {
  return shownQuery(db, projectId).where("triggers.id", "=", id).executeTakeFirst();
}

/** `due_at` says when it looks for the first time, in milliseconds since the epoch; null for one that a forge tells. */
export async function insertTrigger(
  db: Queries,
  trigger: Insertable<TriggersTable>,
): Promise<void> {
  await db.insertInto("triggers").values(trigger).execute();
}

/** Columns of a trigger that its owner changes. */
export type TriggerChange = Pick<
  Trigger,
  "type" | "config_json" | "integration_id" | "active" | "due_at" | "updated_at"
>;

/** What was said of earlier looks does not hold for the new settings. */
export async function updateTrigger(db: Queries, id: string, change: TriggerChange): Promise<void> {
  await db
    .updateTable("triggers")
    .set({ ...change, failures: 0, error: null, revision: null })
    .where("id", "=", id)
    .execute();
}

/** Evaluations that it started stay, and go on naming its type. */
export async function deleteTrigger(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("triggers").where("id", "=", id).execute();
}

/** No integration tells the project's triggers any more. */
export async function detachTriggers(db: Queries, projectId: string): Promise<void> {
  await db
    .updateTable("triggers")
    .set({ integration_id: null })
    .where("project_id", "=", projectId)
    .execute();
}

/** A trigger that is to look now. */
export interface DueTrigger extends Trigger {
  organization_id: string;
  repository: string;
  project_active: 0 | 1;
  /** The project's settings have changed since its last evaluation. */
  project_forced: 0 | 1;
}

/**
 * Takes triggers that are due, those that wait longest first, and puts them off until `until`: whatever becomes of the look, also when this
 * process ends in the middle of it, there is another one then.
 */
export async function claimDueTriggers(
  db: Queries,
  at: { now: number; until: number; limit: number },
): Promise<DueTrigger[]> {
  const due = await db
    .selectFrom("triggers")
    .innerJoin("projects", "projects.id", "triggers.project_id")
    .selectAll("triggers")
    .select([
      "projects.organization_id",
      "projects.repository",
      "projects.active as project_active",
      "projects.force_evaluation as project_forced",
    ])
    .where("triggers.due_at", "is not", null)
    .where("triggers.due_at", "<=", at.now)
    .orderBy("triggers.due_at")
    .limit(at.limit)
    .execute();
  if (due.length === 0) return [];
  await db
    .updateTable("triggers")
    .set({ due_at: at.until })
    .where(
      "id",
      "in",
      due.map(({ id }) => id),
    )
    .execute();
  return due;
}

/** How a look went. */
export interface LookResult {
  readonly due_at: number | null;
  readonly checked_at: number;
  readonly failures: number;
  readonly error: string | null;
  readonly revision: string | null;
}

/** Nothing is noted of a trigger that was changed meanwhile: it looks anew. */
export async function recordLook(
  db: Queries,
  trigger: Pick<Trigger, "id" | "updated_at">,
  result: LookResult,
): Promise<void> {
  await db
    .updateTable("triggers")
    .set(result)
    .where("id", "=", trigger.id)
    .where("updated_at", "=", trigger.updated_at)
    .where("active", "=", 1)
    .execute();
}

/** When it last started an evaluation, not when it last looked. */
export async function recordFired(db: Queries, id: string, now: number): Promise<void> {
  await db.updateTable("triggers").set({ fired_at: now }).where("id", "=", id).execute();
}

/** The last look at a project's repository, and what was wrong then. */
export function findLastLook(
  db: Queries,
  projectId: string,
): Promise<{ checked_at: number | null; error: string | null } | undefined> {
  return db
    .selectFrom("triggers")
    .select(["checked_at", "error"])
    .where("project_id", "=", projectId)
    .where("checked_at", "is not", null)
    .orderBy("checked_at", "desc")
    .limit(1)
    .executeTakeFirst();
}

/** Active triggers that an integration tells, with what it takes to know whether they are meant. */
export interface ToldTrigger extends Trigger {
  organization_name: string;
  project_name: string;
  repository: string;
}

/** Of active projects, in the order in which they were made. */
export function listTold(db: Queries, integrationId: string): Promise<ToldTrigger[]> {
  return db
    .selectFrom("triggers")
    .innerJoin("projects", "projects.id", "triggers.project_id")
    .innerJoin("organizations", "organizations.id", "projects.organization_id")
    .selectAll("triggers")
    .select([
      "organizations.name as organization_name",
      "projects.name as project_name",
      "projects.repository",
    ])
    .where("triggers.integration_id", "=", integrationId)
    .where("triggers.active", "=", 1)
    .where("projects.active", "=", 1)
    .orderBy("triggers.created_at")
    .orderBy("triggers.id")
    .execute();
}

/**
 * Lets the project's active polling triggers look now. A look that is under way may have missed what this is about, so it does not count. False when there is none.
 */
export async function hastenPolling(db: Queries, projectId: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await hasten(db, projectId, now, 0);
  return numUpdatedRows > 0n;
}

/** The same for the project's hook trigger, which is made when there is none. */
export async function hastenHook(
  db: Queries,
  project: { id: string; configJson: string },
  now: number,
): Promise<void> {
  const { numUpdatedRows } = await hasten(db, project.id, now, 1);
  if (numUpdatedRows > 0n) return;
  await insertTrigger(db, {
    id: uuidv7(),
    project_id: project.id,
    type: "polling",
    config_json: project.configJson,
    active: 1,
    is_hook: 1,
    due_at: now,
    created_at: now,
    updated_at: now,
  });
}

function hasten(db: Queries, projectId: string, now: number, isHook: 0 | 1) {
  return db
    .updateTable("triggers")
    .set((eb) => ({
      due_at: now,
      updated_at: eb.fn<number>("max", [eb.val(now), eb("updated_at", "+", 1)]),
    }))
    .where("project_id", "=", projectId)
    .where("type", "=", "polling")
    .where("active", "=", 1)
    .where("is_hook", "=", isHook)
    .executeTakeFirstOrThrow();
}
