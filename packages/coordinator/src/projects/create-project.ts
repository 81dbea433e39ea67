import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/client.ts";
import { insertProject, type Project } from "../db/project-repository.ts";
import { ConflictError } from "../errors.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { checkRepository } from "../rules/repository.ts";
import { checkWildcard } from "../rules/wildcard.ts";
import { createTrigger } from "../triggers/change-trigger.ts";
import { DEFAULT_TRIGGER } from "../triggers/trigger-config.ts";

export interface NewProject {
  organizationId: string;
  createdBy: string;
  name: string;
  displayName: string;
  description: string;
  repository: string;
  wildcard: string;
  concurrency: Project["concurrency"];
  signsCache: boolean;
  /** How many evaluations are kept. */
  keptEvaluations: number;
}

/** Makes a project that polls its repository, and returns its id. Throws BadRequestError, ConflictError. */
export async function createProject(
  database: Database,
  request: NewProject,
  now: number,
): Promise<string> {
  checkSlug("project", request.name);
  checkDisplayName(request.displayName);
  checkRepository(request.repository);
  checkWildcard(request.wildcard);
  const id = uuidv7();
  const project = {
    id,
    organization_id: request.organizationId,
    name: request.name,
    display_name: request.displayName,
    description: request.description,
    repository: request.repository,
    wildcard: request.wildcard,
    active: 1,
    managed: 0,
    force_evaluation: 0,
    sign_cache: request.signsCache ? 1 : 0,
    keep_evaluations: request.keptEvaluations,
    concurrency: request.concurrency,
    created_by: request.createdBy,
    created_at: now,
  } as const;
  const isStored = await database.transaction(async ({ kysely }) => {
    if (!(await insertProject(kysely, project))) return false;
    const of = { projectId: id, organizationId: request.organizationId };
    await createTrigger(kysely, of, { config: DEFAULT_TRIGGER, isActive: true }, now);
    return true;
  });
  if (isStored) return id;
  throw new ConflictError(`a project named "${request.name}" exists already`, {
    code: "already_exists",
  });
}
