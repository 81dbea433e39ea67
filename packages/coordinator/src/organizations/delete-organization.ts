import { audit, type Actor } from "../accounts/audit.ts";
import type { Database } from "../db/client.ts";
import { findActiveEvaluations } from "../db/evaluation-repository.ts";
import { deleteOrganization, type ShownOrganization } from "../db/organization-repository.ts";
import { listRegistrations } from "../db/registration-repository.ts";
import type { Evaluations, WorkerLink } from "../ports.ts";

/** Ends what the organization runs, removes it with all that belongs to it, and tells its workers. */
export async function removeOrganization(
  dependencies: { database: Database; evaluations: Evaluations; workers: WorkerLink },
  organization: Pick<ShownOrganization, "id" | "name">,
  actor: Actor,
  now: number,
): Promise<void> {
  const { database, evaluations, workers } = dependencies;
  const active = await findActiveEvaluations(database.kysely, organization.id);
  for (const evaluation of active) await evaluations.abort(evaluation.id);
  const registrations = await database.transaction(async ({ kysely }) => {
    const registered = await listRegistrations(kysely, organization.id);
    await deleteOrganization(kysely, organization.id);
    const entry = { event: "organization.delete", actor, subject: organization.name } as const;
    await audit(kysely, entry, now);
    return registered;
  });
  for (const registration of registrations) {
    await workers.registrationsChanged(registration.worker_id);
  }
}
