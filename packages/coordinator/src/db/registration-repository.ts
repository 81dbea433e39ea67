import type { Insertable, Selectable, Updateable } from "kysely";
import type { Queries } from "./client.ts";
import type { WorkerRegistrationsTable } from "./organization-tables.ts";

export type Registration = Selectable<WorkerRegistrationsTable>;

/** Stores a registration. False when the organization has registered that worker already. */
export async function insertRegistration(
  db: Queries,
  registration: Insertable<WorkerRegistrationsTable>,
): Promise<boolean> {
  const stored = await db
    .insertInto("worker_registrations")
    .values(registration)
    .onConflict((conflict) => conflict.doNothing())
    .returning("worker_id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** Also one that is switched off. */
export function findRegistration(
  db: Queries,
  key: { organizationId: string; workerId: string },
): Promise<Registration | undefined> {
  return db
    .selectFrom("worker_registrations")
    .selectAll()
    .where("organization_id", "=", key.organizationId)
    .where("worker_id", "=", key.workerId)
    .executeTakeFirst();
}

/** In the order of registration. */
export function listRegistrations(db: Queries, organizationId: string): Promise<Registration[]> {
  return db
    .selectFrom("worker_registrations")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .orderBy("registered_at")
    .orderBy("worker_id")
    .execute();
}

/** False when there is no such registration. */
export async function updateRegistration(
  db: Queries,
  key: { organizationId: string; workerId: string },
  change: Updateable<WorkerRegistrationsTable>,
): Promise<boolean> {
  const stored = await db
    .updateTable("worker_registrations")
    .set({ ...change, worker_id: key.workerId })
    .where("organization_id", "=", key.organizationId)
    .where("worker_id", "=", key.workerId)
    .returning("worker_id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** False when there is no such registration. */
export async function deleteRegistration(
  db: Queries,
  key: { organizationId: string; workerId: string },
): Promise<boolean> {
  const gone = await db
    .deleteFrom("worker_registrations")
    .where("organization_id", "=", key.organizationId)
    .where("worker_id", "=", key.workerId)
    .returning("worker_id")
    .executeTakeFirst();
  return gone !== undefined;
}
