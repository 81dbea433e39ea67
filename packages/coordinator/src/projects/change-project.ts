import type { Database } from "../db/client.ts";
import { updateProject, type Project } from "../db/project-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { checkRepository } from "../rules/repository.ts";
import { checkWildcard } from "../rules/wildcard.ts";
import { refuseUnsigned } from "./refuse-unsigned.ts";

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
  if (project.sign_cache === 1) refuseUnsigned(settings.signsCache);
  if (settings.keptEvaluations < 1 || settings.keptEvaluations > mostKept) {
    throw new BadRequestError(`keep_evaluations has to be from 1 to ${mostKept}`);
  }
  const isStored = await database.transaction((tx) =>
    updateProject(tx.kysely, project, {
      name: settings.name,
      display_name: settings.displayName,
      description: settings.description,
      repository: settings.repository,
      wildcard: settings.wildcard,
      keep_evaluations: settings.keptEvaluations,
      concurrency: settings.concurrency,
      sign_cache: settings.signsCache ? 1 : 0,
      force_evaluation: 1,
    }),
  );
  if (isStored) return;
  throw new ConflictError(`a project named "${settings.name}" exists already`, {
    code: "already_exists",
  });
}
