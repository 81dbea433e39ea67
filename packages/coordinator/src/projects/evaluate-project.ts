import type { Queries } from "../db/client.ts";
import { listTriggers } from "../db/trigger-repository.ts";
import type { Project } from "../db/project-repository.ts";
import { NoFetchWorkerError } from "../errors.ts";
import type { Evaluations, Repositories } from "../ports.ts";
import type { BuildSettings } from "../rules/build-settings.ts";
import type { Tags } from "../rules/tags.ts";
import { branchReference } from "../rules/branch.ts";
import { headOf, type ProjectSource } from "./find-head.ts";
import { configOf } from "../triggers/stored-config.ts";

interface Parts {
  readonly db: Queries;
  readonly evaluations: Evaluations;
  readonly repositories: Repositories;
}

/**
 * Starts an evaluation of the newest commit of the branch that the project polls, or of HEAD. Without a worker that could look, the evaluation
 * waits for one and says so. Throws RepositoryUnreachableError, and ConflictError when one is active already.
 */
export async function evaluateProject(
  { db, evaluations, repositories }: Parts,
  project: ProjectSource & Pick<Project, "id">,
  triggeredBy: string,
  { tags, settings }: { tags: Tags; settings: BuildSettings },
): Promise<string> {
  const reference = await findPolledReference(db, project.id);
  // Without a repository there is nothing to look at, and the start says so.
  const isFetched = project.repository !== "";
  const revision = isFetched ? await findRevision(repositories, project, reference) : null;
  const facts = { projectId: project.id, triggeredBy, revision, reference };
  return evaluations.start({ ...facts, tags, settings });
}

/** Full reference of the branch that the project polls; null for HEAD. */
export async function findPolledReference(db: Queries, projectId: string): Promise<string | null> {
  for (const trigger of await listTriggers(db, projectId)) {
    const config = configOf(trigger);
    if (config.type !== "polling" || trigger.active === 0) continue;
    const { branch = null } = config;
    return branch === null ? null : branchReference(branch);
  }
  return null;
}

async function findRevision(
  repositories: Repositories,
  project: ProjectSource,
  reference: string | null,
): Promise<string | null> {
  try {
    return await headOf(repositories, project, reference);
  } catch (error) {
    if (error instanceof NoFetchWorkerError) return null;
    throw error;
  }
}
