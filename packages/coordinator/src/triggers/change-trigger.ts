import { v7 as uuidv7 } from "uuid";
import type { Queries } from "../db/client.ts";
import { findIntegration } from "../db/integration-repository.ts";
import { insertTrigger, updateTrigger, type Trigger } from "../db/trigger-repository.ts";
import { BadRequestError } from "../errors.ts";
import { nextDue } from "./next-due.ts";
import { configOf, toColumns } from "./stored-config.ts";
import { checkTriggerConfig, type TriggerConfig } from "./trigger-config.ts";

/** Makes a trigger of a project and resolves to its id. Throws BadRequestError. */
export async function createTrigger(
  db: Queries,
  of: { projectId: string; organizationId: string },
  request: { config: TriggerConfig; isActive: boolean },
  now: number,
): Promise<string> {
  await check(db, of.organizationId, request.config, now);
  const id = uuidv7();
  await insertTrigger(db, {
    id,
    project_id: of.projectId,
    ...toColumns(request.config),
    active: request.isActive ? 1 : 0,
    due_at: request.isActive ? firstDue(request.config, now) : null,
    created_at: now,
    updated_at: now,
  });
  return id;
}

/** Changes what is given. It looks next as if it were new. Throws BadRequestError. */
export async function changeTrigger(
  db: Queries,
  of: { organizationId: string; trigger: Trigger },
  request: { config: TriggerConfig | null; isActive: boolean | null },
  now: number,
): Promise<void> {
  const { trigger } = of;
  if (request.config !== null) await check(db, of.organizationId, request.config, now);
  const isActive = request.isActive ?? trigger.active === 1;
  const { type, config_json, integration_id } =
    request.config === null ? trigger : toColumns(request.config);
  await updateTrigger(db, trigger.id, {
    type,
    config_json,
    integration_id,
    active: isActive ? 1 : 0,
    due_at: isActive ? firstDue(configOf({ config_json, integration_id }), now) : null,
    // A look that is under way is about what it was before.
    updated_at: Math.max(now, trigger.updated_at + 1),
  });
}

function firstDue(config: Parameters<typeof nextDue>[0], now: number): number | null {
  return nextDue(config, { now, failures: 0, random: Math.random() });
}

async function check(
  db: Queries,
  organizationId: string,
  config: TriggerConfig,
  now: number,
): Promise<void> {
  checkTriggerConfig(config, now);
  if (config.type === "polling" || config.type === "time") return;
  const integration = await findIntegration(db, organizationId, config.integration_id);
  if (integration === undefined) {
    throw new BadRequestError(`the organization has no integration ${config.integration_id}`);
  }
  if (integration.kind === "inbound") return;
  throw new BadRequestError(
    `integration "${integration.name}" is outbound: only an inbound one tells of pushes and pull requests`,
  );
}
