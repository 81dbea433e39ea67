import { deleteTrigger, listTriggers, type Trigger } from "../../db/trigger-repository.ts";
import { findIntegrationByName } from "../../db/declared-repository.ts";
import { createTrigger } from "../../triggers/change-trigger.ts";
import { toColumns } from "../../triggers/stored-config.ts";
import { DEFAULT_TRIGGER, type TriggerConfig } from "../../triggers/trigger-config.ts";
import type { DeclaredProject } from "../declared.ts";
import type { Applying } from "./applying.ts";

interface Wanted {
  readonly config: TriggerConfig;
  readonly isActive: boolean;
}

/**
 * Makes the triggers of a project those of the file. One that is there in the same words stays, with what it remembers; without a list all
 * stay. Tells whether anything changed.
 */
export async function applyTriggers(
  { db, now }: Applying,
  project: DeclaredProject,
  of: { readonly projectId: string; readonly organizationId: string; readonly isNew: boolean },
): Promise<boolean> {
  if (project.triggers === undefined && !of.isNew) return false;
  const wanted: Wanted[] = [];
  for (const trigger of project.triggers ?? []) {
    wanted.push({ config: await configOf(db, of, trigger), isActive: trigger.active });
  }
  if (project.triggers === undefined) wanted.push({ config: DEFAULT_TRIGGER, isActive: true });
  const found = await listTriggers(db, of.projectId);
  const kept = new Set<Trigger>();
  const missing = wanted.filter((each) => {
    const same = found.find((row) => !kept.has(row) && isSame(row, each));
    if (same !== undefined) kept.add(same);
    return same === undefined;
  });
  const left = found.filter((row) => !kept.has(row));
  for (const { id } of left) await deleteTrigger(db, id);
  for (const request of missing) await createTrigger(db, of, request, now);
  return left.length + missing.length > 0;
}

function isSame(row: Trigger, { config, isActive }: Wanted): boolean {
  const columns = toColumns(config);
  return (
    row.type === columns.type &&
    normal(row.config_json) === normal(columns.config_json) &&
    row.integration_id === columns.integration_id &&
    row.active === (isActive ? 1 : 0)
  );
}

/** Without what says nothing, in the order of the names. */
function normal(json: string): string {
  const config: unknown = JSON.parse(json);
  const entries = Object.entries(Object(config)).filter(([, value]) => value !== null);
  return JSON.stringify(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function configOf(
  db: Applying["db"],
  { organizationId }: { readonly organizationId: string },
  trigger: NonNullable<DeclaredProject["triggers"]>[number],
): Promise<TriggerConfig> {
  if (trigger.type === "polling") return { type: trigger.type, ...trigger.config };
  if (trigger.type === "time") return { type: trigger.type, ...trigger.config };
  const key = { organization_id: organizationId, kind: "inbound", name: trigger.integration };
  const integration = await findIntegrationByName(db, { ...key, kind: "inbound" });
  const integration_id = integration?.id ?? "";
  return trigger.type === "reporter_push"
    ? { type: trigger.type, integration_id, ...trigger.config }
    : { type: trigger.type, integration_id, ...trigger.config };
}
