import type { Database } from "../db/client.ts";
import { hasAlias, updateProject, type Project } from "../db/project-repository.ts";
import { BadRequestError, ConflictError } from "../errors.ts";
import { LAST_PRIORITY } from "../rules/jobset.ts";
import { checkSlug } from "../rules/names.ts";

/** What a project is for Cuirass's clients. */
export interface JobsetSettings {
  /** null for none. */
  readonly alias: string | null;
  /** 0 to 9, lower is sooner. */
  readonly priority: number;
  readonly isHookOpen: boolean;
}

/** Stores the settings; evaluations that begin later have the new priority. Throws BadRequestError, and ConflictError for an alias that another project has. */
export async function changeJobset(
  database: Database,
  project: Pick<Project, "id" | "organization_id">,
  { alias, priority, isHookOpen }: JobsetSettings,
): Promise<void> {
  if (alias !== null) checkSlug("alias", alias);
  if (priority < 0 || priority > LAST_PRIORITY) {
    throw new BadRequestError(`priority has to be from 0 to ${LAST_PRIORITY}`);
  }
  const isStored = await database.transaction(async ({ kysely }) => {
    if (alias !== null && (await hasAlias(kysely, alias, project.id))) return false;
    await updateProject(kysely, project, { alias, priority, open_hook: isHookOpen ? 1 : 0 });
    return true;
  });
  if (isStored) return;
  throw new ConflictError(`another project of this server has the alias "${alias}"`, {
    code: "already_exists",
  });
}
