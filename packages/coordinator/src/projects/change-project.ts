import type { Database } from "../db/client.ts";
import { showProject } from "../db/hidden-path-repository.ts";
import { updateProject, type Project } from "../db/project-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { checkRepository } from "../rules/repository.ts";
import { checkWildcard } from "../rules/wildcard.ts";

export interface ProjectSettings {
  name: string;
  displayName: string;
  description: string;
  repository: string;
  wildcard: string;
  keptEvaluations: number;
  concurrency: Project["concurrency"];
  signsCache: boolean;
}

/** Stores the settings; the next evaluation runs even when no new commit came. At most `mostKept` evaluations may be kept. Throws BadRequestError, ConflictError. */
export async function changeProject(
  database: Database,
  project: Project,
  settings: ProjectSettings,
  mostKept: number,
): Promise<void> {
  if (settings.name !== project.name) checkSlug("project", settings.name);
  checkDisplayName(settings.displayName);
  checkRepository(settings.repository);
  checkWildcard(settings.wildcard);
  if (settings.keptEvaluations < 1 || settings.keptEvaluations > mostKept) {
    throw new BadRequestError(`keep_evaluations has to be from 1 to ${mostKept}`);
  }
  const isStored = await database.transaction(async ({ kysely }) => {
    const isUpdated = await updateProject(kysely, project, {
      name: settings.name,
      display_name: settings.displayName,
      description: settings.description,
      repository: settings.repository,
      wildcard: settings.wildcard,
      keep_evaluations: settings.keptEvaluations,
      concurrency: settings.concurrency,
      sign_cache: settings.signsCache ? 1 : 0,
      force_evaluation: 1,
    });
    if (isUpdated && settings.signsCache && project.sign_cache === 0) {
      await showProject(kysely, project.organization_id, project.id);
    }
    return isUpdated;
  });
  if (isStored) return;
  throw new ConflictError(`a project named "${settings.name}" exists already`, {
    code: "already_exists",
  });
}
