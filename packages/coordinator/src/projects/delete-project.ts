import type { Queries } from "../db/client.ts";
import { findActiveEvaluations } from "../db/evaluation-repository.ts";
import { deleteProject, type Project } from "../db/project-repository.ts";
import type { Evaluations } from "../ports.ts";

/** Ends what the project runs and removes it with its evaluations. */
export async function removeProject(
  dependencies: { db: Queries; evaluations: Evaluations },
  project: Pick<Project, "id" | "organization_id">,
): Promise<void> {
  const { db, evaluations } = dependencies;
  const active = await findActiveEvaluations(db, project.organization_id);
  for (const evaluation of active) {
    if (evaluation.project === project.id) await evaluations.abort(evaluation.id);
  }
  await deleteProject(db, project.id);
}
