import { z } from "zod";
import type { ShownTrigger } from "../../../../db/trigger-repository.ts";
import { configOf } from "../../../../triggers/stored-config.ts";
import {
  shownTriggerConfigSchema,
  triggerConfigSchema,
} from "../../../../triggers/trigger-config.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";
import { triggerType } from "../evals/evaluation-summary.ts";
import { projectParams } from "./project.ts";

export const triggerParams = projectParams.extend({ id: z.uuid() });

export const newTriggerBody = z.object({
  config: triggerConfigSchema,
  active: z.boolean().default(true),
});

export const triggerChangeBody = z.object({
  config: triggerConfigSchema.nullish(),
  active: z.boolean().nullish(),
});

export const triggerSchema = z.object({
  id: z.uuid(),
  project: z.uuid(),
  type: triggerType,
  config: shownTriggerConfigSchema,
  active: z.boolean(),
  last_fired_at: timestamp.nullable(),
  /** When it last looked, and when it does so next; null for one that a forge tells. */
  last_checked_at: timestamp.nullable(),
  next_check_at: timestamp.nullable(),
  /** Why the last look failed, or why it is never told. */
  error: z.string().nullable(),
  created_at: timestamp,
  updated_at: timestamp,
  /** The forge that tells it; null when that is gone. */
  integration: z
    .object({
      id: z.uuid(),
      name: z.string(),
      display_name: z.string(),
      forge_type: z.string(),
    })
    .nullable(),
});

/** Of those that a forge tells, one whose integration was removed, or belongs to the organization that had the project before. */
function isLeft({ type, integration_id: integration }: ShownTrigger): boolean {
  return integration === null && type !== "polling" && type !== "time";
}

/** Throws when the configuration that is stored has another form: the database is damaged. */
export function toTrigger(row: ShownTrigger): z.infer<typeof triggerSchema> {
  return {
    id: row.id,
    project: row.project_id,
    type: row.type,
    config: configOf(row),
    active: row.active === 1,
    last_fired_at: toTimestampOrNull(row.fired_at),
    last_checked_at: toTimestampOrNull(row.checked_at),
    next_check_at: toTimestampOrNull(row.due_at),
    error: isLeft(row) ? "nothing tells it any more: the integration is gone" : row.error,
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
    integration:
      row.integration_id === null
        ? null
        : {
            id: row.integration_id,
            name: row.integration_name ?? "",
            display_name: row.integration_display_name ?? "",
            forge_type: row.integration_forge ?? "",
          },
  };
}
