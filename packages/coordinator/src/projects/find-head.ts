import { organizationIdSchema } from "@gradient/protocol";
import type { Project } from "../db/project-repository.ts";
import type { Repositories } from "../ports.ts";
import { branchReference } from "../rules/branch.ts";

/** The part of a project that says where it is fetched from, and with whose key. */
export type ProjectSource = Pick<Project, "organization_id" | "repository">;

/**
 * The newest commit of the branch, or of the remote's HEAD for null. Throws BadRequestError for what is no branch, RepositoryUnreachableError
 * with git's words, and NoFetchWorkerError when nobody can look.
 */
export function findHead(
  repositories: Repositories,
  project: ProjectSource,
  branch: string | null,
): Promise<string> {
  return headOf(repositories, project, branch === null ? null : branchReference(branch));
}

/** As `findHead`, for a full reference. */
export function headOf(
  repositories: Repositories,
  project: ProjectSource,
  reference: string | null,
): Promise<string> {
  const organization = organizationIdSchema.parse(project.organization_id);
  return repositories.head({ organization, repository: project.repository, reference });
}
