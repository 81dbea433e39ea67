import { audit, type Actor } from "../accounts/audit.ts";
import type { Database } from "../db/client.ts";
import { findActiveEvaluations } from "../db/evaluation-repository.ts";
import { deleteProject, type Project } from "../db/project-repository.ts";
import type { Evaluations } from "../ports.ts";
import { forgetEvaluations } from "./forget-evaluations.ts";

/** Ends what the project runs and removes it with its evaluations. `subject`: organization and project as users know them, `acme/website`. */
export async function removeProject(
  dependencies: { database: Database; evaluations: Pick<Evaluations, "abort"> },
  project: Pick<Project, "id" | "organization_id">,
  by: { actor: Actor; subject: string },
  now: number,
): Promise<void> {
  const { database, evaluations } = dependencies;
  const active = await findActiveEvaluations(database.kysely, project.organization_id);
  for (const evaluation of active) {
    if (evaluation.project === project.id) await evaluations.abort(evaluation.id);
  }
  await forgetEvaluations(database, project.id);
  await database.transaction(async ({ kysely }) => {
    await deleteProject(kysely, project.id);
    await audit(kysely, { event: "project.delete", ...by }, now);
  });
}
