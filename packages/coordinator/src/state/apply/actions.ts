import { v7 as uuidv7 } from "uuid";
import { toColumns, type ActionConfig } from "../../actions/action-config.ts";
import { actionContext } from "../../actions/change-action.ts";
import {
  deleteAction,
  insertAction,
  listActions,
  updateAction,
  type Action,
} from "../../db/action-repository.ts";
import { findIntegrationByName } from "../../db/declared-repository.ts";
import type { DeclaredProject } from "../declared.ts";
import { creatorId, difference, sealAnew, takeSealed, type Applying } from "./applying.ts";

type DeclaredAction = NonNullable<DeclaredProject["actions"]>[number];

/** Makes the actions of a project those of the file, by their names; without a list all stay. Tells whether anything changed. */
export async function applyActions(
  applying: Applying,
  project: DeclaredProject,
  of: { readonly projectId: string; readonly organizationId: string },
): Promise<boolean> {
  if (project.actions === undefined) return false;
  const { db } = applying;
  const found = await listActions(db, of.projectId);
  const names = new Set(project.actions.map(({ name }) => name));
  const left = found.filter(({ name }) => !names.has(name));
  for (const { id } of left) await deleteAction(db, id);
  let hasChanged = left.length > 0;
  for (const action of project.actions) {
    const row = found.find(({ name }) => name === action.name);
    if (await applyAction(applying, { ...of, project, row }, action)) hasChanged = true;
  }
  return hasChanged;
}

async function applyAction(
  applying: Applying,
  of: {
    readonly projectId: string;
    readonly organizationId: string;
    readonly project: DeclaredProject;
    readonly row: Action | undefined;
  },
  action: DeclaredAction,
): Promise<boolean> {
  const { db, now } = applying;
  const { projectId, project, row } = of;
  const id = row?.id ?? action.id ?? uuidv7();
  const columns = {
    name: action.name,
    ...toColumns(await configOf(db, of.organizationId, action)),
    events_json: JSON.stringify([...new Set(action.events)]),
    token: tokenOf(applying, id, row?.token ?? null, action),
    active: action.active ? 1 : 0,
  } as const;
  if (row === undefined) {
    const created_by = creatorId(applying, project);
    const made = { created_by, created_at: now, updated_at: now, last_fired_at: null };
    await insertAction(db, { id, project_id: projectId, ...columns, ...made });
    return true;
  }
  const changed = difference(row, columns);
  if (changed === null) return false;
  await updateAction(db, row, { ...changed, updated_at: now });
  return true;
}

async function configOf(
  db: Applying["db"],
  organizationId: string,
  action: DeclaredAction,
): Promise<ActionConfig> {
  if (action.type === "send_mail") return { type: action.type, ...action.config };
  if (action.type === "send_web_request") return { type: action.type, url: action.config.url };
  const key = { organization_id: organizationId, name: action.config.integration };
  const integration = await findIntegrationByName(db, { ...key, kind: "outbound" });
  return { type: action.type, integration_id: integration?.id ?? "" };
}

function tokenOf(
  { masterKey, secrets }: Applying,
  id: string,
  stored: string | null,
  action: DeclaredAction,
): string | null {
  if (action.type !== "send_web_request") return null;
  const { token_file: file, token_sealed: sealed } = action.config;
  const context = actionContext(id);
  if (sealed !== undefined) return takeSealed(masterKey, sealed, context);
  if (file === undefined) return null;
  return sealAnew(masterKey, stored, secrets.texts.get(file) ?? "", context);
}
