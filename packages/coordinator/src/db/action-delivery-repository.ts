import type { Insertable, Selectable } from "kysely";
import type { Action } from "./action-repository.ts";
import type { ActionDeliveriesTable } from "./action-tables.ts";
import type { Excepted } from "../outbound/outbox.ts";
import type { Queries } from "./client.ts";

export type Delivery = Selectable<ActionDeliveriesTable>;

/** An event that is to be told now, with what is told of it. */
export interface DueDelivery {
  readonly id: string;
  readonly event: string;
  readonly state: string;
  readonly tries: number;
  readonly createdAt: number;
  readonly evaluationId: string | null;
  readonly buildId: string | null;
  readonly action: Pick<Action, "id" | "type" | "config_json" | "token">;
  readonly organization: string;
  readonly project: string;
  /** null once the evaluation is gone. */
  readonly evaluationNumber: number | null;
  readonly revision: string | null;
  readonly pullRequest: number | null;
  /** Name of the build's derivation. */
  readonly derivation: string | null;
}

/** Those that wait longest first. `except`: their ids, and all of some actions. */
export async function findDueDeliveries(
  db: Queries,
  now: number,
  limit: number,
  { ids, senders }: Excepted,
): Promise<DueDelivery[]> {
  const rows = await db
    .selectFrom("action_deliveries as delivery")
    .innerJoin("actions", "actions.id", "delivery.action_id")
    .innerJoin("projects", "projects.id", "actions.project_id")
    .innerJoin("organizations", "organizations.id", "projects.organization_id")
    .leftJoin("evaluations", "evaluations.id", "delivery.evaluation_id")
    .leftJoin("evaluation_builds as link", "link.id", "delivery.build_id")
    .leftJoin("builds", "builds.id", "link.build_id")
    .leftJoin("derivations", "derivations.id", "builds.derivation_id")
    .select([
      "delivery.id",
      "delivery.event",
      "delivery.state",
      "delivery.tries",
      "delivery.created_at as createdAt",
      "delivery.evaluation_id as evaluationId",
      "delivery.build_id as buildId",
      "actions.id as actionId",
      "actions.type",
      "actions.config_json",
      "actions.token",
      "organizations.name as organization",
      "projects.name as project",
      "evaluations.number as evaluationNumber",
      "evaluations.revision",
      "evaluations.pr_number as pullRequest",
      "derivations.name as derivation",
    ])
    .where("delivery.due_at", "<=", now)
    .where("delivery.id", "not in", ids)
    .where("delivery.action_id", "not in", senders)
    .orderBy("delivery.due_at")
    .limit(limit)
    .execute();
  return rows.map(({ actionId: id, type, config_json, token, ...row }) => ({
    ...row,
    action: { id, type, config_json, token },
  }));
}

export type DeliveryOutcome = Pick<
  Delivery,
  | "is_delivered"
  | "request_body"
  | "response_status"
  | "response_body"
  | "error"
  | "duration_ms"
  | "tried_at"
  | "tries"
  | "due_at"
>;

/** In place of what the last try had; it also becomes the time at which the action last fired. */
export async function recordOutcome(
  db: Queries,
  delivery: { id: string; actionId: string },
  outcome: DeliveryOutcome,
): Promise<void> {
  await db.updateTable("action_deliveries").set(outcome).where("id", "=", delivery.id).execute();
  await markFired(db, delivery.actionId, outcome.tried_at);
}

/** One that was tried at once, as a test is. */
export async function insertDelivery(
  db: Queries,
  delivery: Insertable<ActionDeliveriesTable>,
): Promise<void> {
  await db.insertInto("action_deliveries").values(delivery).execute();
  await markFired(db, delivery.action_id, delivery.tried_at ?? null);
}

async function markFired(db: Queries, actionId: string, at: number | null): Promise<void> {
  await db.updateTable("actions").set({ last_fired_at: at }).where("id", "=", actionId).execute();
}

/** Newest first. */
export async function listDeliveries(
  db: Queries,
  actionId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<{ items: Delivery[]; total: number }> {
  const ofAction = db.selectFrom("action_deliveries").where("action_id", "=", actionId);
  const items = await ofAction
    .selectAll()
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await ofAction
    .select((select) => select.fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  return { items, total: Number(total) };
}

/** Only one of this action: another's id finds nothing. */
export function findDelivery(
  db: Queries,
  actionId: string,
  id: string,
): Promise<Delivery | undefined> {
  return db
    .selectFrom("action_deliveries")
    .selectAll()
    .where("id", "=", id)
    .where("action_id", "=", actionId)
    .executeTakeFirst();
}

/** Those that are over; at most so many at once. Resolves to how many that were. */
export async function deleteActionDeliveriesBefore(
  db: Queries,
  time: number,
  limit: number,
): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom("action_deliveries")
    .where("id", "in", (where) =>
      where
        .selectFrom("action_deliveries")
        .select("id")
        .where("due_at", "is", null)
        .where("created_at", "<", time)
        .limit(limit),
    )
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
