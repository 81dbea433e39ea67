import type { Insertable, Selectable, Updateable } from "kysely";
import type { Queries } from "./client.ts";
import type { Forge, IntegrationsTable } from "./forge-tables.ts";

export type Integration = Selectable<IntegrationsTable>;

/** Stores a new integration. False when the organization has one of that kind and name. */
export async function insertIntegration(
  db: Queries,
  integration: Insertable<IntegrationsTable>,
): Promise<boolean> {
  const stored = await db
    .insertInto("integrations")
    .values(integration)
    .onConflict((conflict) => conflict.columns(["organization_id", "kind", "name"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** Oldest first. */
export function listIntegrations(
  db: Queries,
  organizationId: string,
  kind?: Integration["kind"],
): Promise<Integration[]> {
  let query = db
    .selectFrom("integrations")
    .selectAll()
    .where("organization_id", "=", organizationId);
  if (kind !== undefined) query = query.where("kind", "=", kind);
  return query.orderBy("created_at").orderBy("id").execute();
}

/** Only one of the organization: another's id finds nothing. */
export function findIntegration(
  db: Queries,
  organizationId: string,
  id: string,
): Promise<Integration | undefined> {
  return db
    .selectFrom("integrations")
    .selectAll()
    .where("id", "=", id)
    .where("organization_id", "=", organizationId)
    .executeTakeFirst();
}

/** The inbound integration that a webhook's address names. */
export function findInbound(
  db: Queries,
  of: { forge: Forge; organization: string; name: string },
): Promise<Integration | undefined> {
  return db
    .selectFrom("integrations")
    .innerJoin("organizations", "organizations.id", "integrations.organization_id")
    .selectAll("integrations")
    .where("organizations.name", "=", of.organization)
    .where("integrations.kind", "=", "inbound")
    .where("integrations.name", "=", of.name)
    .where("integrations.forge", "=", of.forge)
    .executeTakeFirst();
}

/** Inbound GitHub integrations that tell a trigger of a project with one of these addresses. Oldest first. */
export function listInboundGitHub(
  db: Queries,
  repositories: readonly string[],
  limit: number,
): Promise<Integration[]> {
  return db
    .selectFrom("projects")
    .innerJoin("triggers", "triggers.project_id", "projects.id")
    .innerJoin("integrations", "integrations.id", "triggers.integration_id")
    .selectAll("integrations")
    .distinct()
    .where("projects.repository", "in", repositories)
    .where("integrations.kind", "=", "inbound")
    .where("integrations.forge", "=", "github")
    .orderBy("integrations.created_at")
    .limit(limit)
    .execute();
}

/** False when the new name is taken. */
export async function updateIntegration(
  db: Queries,
  integration: Pick<Integration, "id" | "organization_id" | "kind">,
  change: Updateable<IntegrationsTable>,
): Promise<boolean> {
  if (change.name !== undefined) {
    const other = await db
      .selectFrom("integrations")
      .select("id")
      .where("organization_id", "=", integration.organization_id)
      .where("kind", "=", integration.kind)
      .where("name", "=", change.name)
      .where("id", "!=", integration.id)
      .executeTakeFirst();
    if (other !== undefined) return false;
  }
  if (Object.keys(change).length === 0) return true;
  await db.updateTable("integrations").set(change).where("id", "=", integration.id).execute();
  return true;
}

/** Triggers that it told stay, and are told by nobody. */
export async function deleteIntegration(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("integrations").where("id", "=", id).execute();
}

/** Notes a delivery. False when it was taken before. */
export async function insertDelivery(
  db: Queries,
  delivery: { integrationId: string; delivery: string },
  now: number,
): Promise<boolean> {
  const stored = await db
    .insertInto("hook_deliveries")
    .values({
      integration_id: delivery.integrationId,
      delivery: delivery.delivery,
      received_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("delivery")
    .executeTakeFirst();
  return stored !== undefined;
}

/** It came to nothing: the same may come again. */
export async function deleteDelivery(
  db: Queries,
  delivery: { integrationId: string; delivery: string },
): Promise<void> {
  await db
    .deleteFrom("hook_deliveries")
    .where("integration_id", "=", delivery.integrationId)
    .where("delivery", "=", delivery.delivery)
    .execute();
}

/** `time` in milliseconds since the epoch. A webhook that a forge sends again after that is taken for a new one. */
export async function deleteHookDeliveriesBefore(db: Queries, time: number): Promise<void> {
  await db.deleteFrom("hook_deliveries").where("received_at", "<", time).execute();
}
