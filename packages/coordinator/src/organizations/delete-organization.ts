import type { Queries } from "../db/client.ts";
import { findActiveEvaluations } from "../db/evaluation-repository.ts";
import { deleteOrganization } from "../db/organization-repository.ts";
import { listRegistrations } from "../db/registration-repository.ts";
import type { Evaluations, WorkerLink } from "../ports.ts";

/** Ends what the organization runs, removes it with all that belongs to it, and tells its workers. */
export async function removeOrganization(
  dependencies: { db: Queries; evaluations: Evaluations; workers: WorkerLink },
  organizationId: string,
): Promise<void> {
  const { db, evaluations, workers } = dependencies;
  const active = await findActiveEvaluations(db, organizationId);
  for (const evaluation of active) await evaluations.abort(evaluation.id);
  const registrations = await listRegistrations(db, organizationId);
  await deleteOrganization(db, organizationId);
  for (const registration of registrations) {
    await workers.registrationsChanged(registration.worker_id);
  }
}
