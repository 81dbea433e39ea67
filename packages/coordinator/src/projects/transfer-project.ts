import type { Database } from "../db/client.ts";
import { hasActiveEvaluation } from "../db/project-evaluations.ts";
import { listEvaluationIds } from "../db/old-evaluation-repository.ts";
import type { ShownOrganization } from "../db/organization-repository.ts";
import { isProjectName, updateProject, type Project } from "../db/project-repository.ts";
import { deleteStatusReports } from "../db/action-repository.ts";
import { detachTriggers } from "../db/trigger-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { forgetEvaluations } from "./forget-evaluations.ts";

/**
 * Gives a project to another organization. Its evaluations stay behind and are removed: their builds belong to the old organization, and nothing of it
 * may be seen from the new one, where it is evaluated anew. Throws BadRequestError, ConflictError.
 */
export async function transferProject(
  database: Database,
  project: Pick<Project, "id" | "name" | "organization_id">,
  target: Pick<ShownOrganization, "id" | "name">,
): Promise<void> {
  if (target.id === project.organization_id) {
    throw new BadRequestError(`project "${project.name}" is in "${target.name}" already`);
  }
  await checkFree(database, project, target);
  await forgetEvaluations(database, project.id);
  await database.transaction(async ({ kysely }) => {
    if ((await listEvaluationIds(kysely, project.id)).length > 0) throw isActive(project);
    if (await isProjectName(kysely, target.id, project.name)) throw nameTaken(project, target);
    await updateProject(kysely, project, { organization_id: target.id, force_evaluation: 1 });
    // The old organization's forges tell it nothing any more.
    await detachTriggers(kysely, project.id);
    await deleteStatusReports(kysely, project.id);
  });
}

/** Before anything is lost. */
async function checkFree(
  { kysely }: Database,
  project: Pick<Project, "id" | "name">,
  target: Pick<ShownOrganization, "id" | "name">,
): Promise<void> {
  if (await isProjectName(kysely, target.id, project.name)) throw nameTaken(project, target);
  if (await hasActiveEvaluation(kysely, project.id)) throw isActive(project);
}

function isActive({ name }: Pick<Project, "name">): ConflictError {
  return new ConflictError(
    `project "${name}" has an active evaluation: wait for its end or abort it`,
  );
}

function nameTaken(
  { name }: Pick<Project, "name">,
  target: Pick<ShownOrganization, "name">,
): ConflictError {
  return new ConflictError(`"${target.name}" has a project named "${name}" already`, {
    code: "already_exists",
  });
}
