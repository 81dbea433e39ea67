import { v7 as uuidv7 } from "uuid";
import { findProjectRow } from "../../db/declared-repository.ts";
import { showProject } from "../../db/hidden-path-repository.ts";
import {
  hasAlias,
  insertProject,
  updateProject,
  type Project,
} from "../../db/project-repository.ts";
import { ConflictError } from "../../errors.ts";
import type { DeclaredProject } from "../declared.ts";
import { creatorId, difference, idOf, record, type Applying } from "./applying.ts";
import { applyActions } from "./actions.ts";
import { applyFlakeInputs } from "./flake-inputs.ts";
import { applyTriggers } from "./triggers.ts";

/** Makes the projects what the file declares. After a change the next evaluation runs even when no commit came. */
export async function applyProjects(applying: Applying): Promise<void> {
  for (const project of applying.declared.projects) await applyProject(applying, project);
}

/**
 * Gives the projects the aliases of the file; an alias may go from one to another, so this comes after what has left the file. Throws ConflictError
 * for one that a project has that the file does not declare.
 */
export async function applyAliases(applying: Applying): Promise<void> {
  const { db, declared, organizationIds } = applying;
  const changed: { row: Project; alias: string | null; shown: string }[] = [];
  for (const { organization, name, alias = null } of declared.projects) {
    const row = await findProjectRow(db, idOf(organizationIds, organization), name);
    if (row === undefined || row.alias === alias) continue;
    await updateProject(db, row, { alias: null });
    changed.push({ row, alias, shown: `${organization}/${name}` });
  }
  for (const { row, alias, shown } of changed) {
    if (alias !== null && (await hasAlias(db, alias, row.id))) {
      throw new ConflictError(
        `alias "${alias}" of ${shown} is that of a project that is not declared`,
      );
    }
    await updateProject(db, row, { alias });
    record(applying, "changed", "alias of project", shown);
  }
}

async function applyProject(applying: Applying, project: DeclaredProject): Promise<void> {
  const { db, now } = applying;
  const organizationId = idOf(applying.organizationIds, project.organization);
  const shown = `${project.organization}/${project.name}`;
  const found = await findProjectRow(db, organizationId, project.name);
  const columns = columnsOf(applying, project);
  const id = found?.id ?? uuidv7();
  applying.kept.add(id);
  const changed = found === undefined ? columns : difference(found, columns);
  if (found === undefined) {
    await insertProject(db, {
      id,
      organization_id: organizationId,
      ...columns,
      force_evaluation: 0,
      created_by: creatorId(applying, project),
      created_at: now,
    });
  } else if (changed !== null) {
    const isOther = changed.repository !== undefined || changed.wildcard !== undefined;
    await updateProject(db, found, { ...changed, ...(isOther ? { force_evaluation: 1 } : {}) });
    if (changed.sign_cache === 1) await showProject(db, organizationId, id);
  }
  const of = { projectId: id, organizationId, isNew: found === undefined };
  const hasOtherTriggers = await applyTriggers(applying, project, of);
  const hasOtherActions = await applyActions(applying, project, of);
  const hasOtherInputs = await applyFlakeInputs(applying, project, id);
  if (found === undefined) record(applying, "created", "project", shown);
  else if (changed !== null || hasOtherTriggers || hasOtherActions || hasOtherInputs)
    record(applying, "changed", "project", shown);
}

function columnsOf({ mostKept }: Applying, project: DeclaredProject) {
  return {
    name: project.name,
    display_name: project.display_name ?? project.name,
    description: project.description,
    repository: project.repository,
    wildcard: project.wildcard,
    active: project.active ? 1 : 0,
    managed: 1,
    sign_cache: project.sign_cache ? 1 : 0,
    keep_evaluations: Math.min(project.keep_evaluations, mostKept),
    concurrency: project.concurrency,
    priority: project.priority,
    open_hook: project.open_hook ? 1 : 0,
  } as const;
}
