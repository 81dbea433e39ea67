import { z } from "zod";
import {
  actionConfigSchema,
  actionEventSchema,
  eventsOf,
  shownActionConfigSchema,
  shownConfigOf,
} from "../../../../actions/action-config.ts";
import type { Action } from "../../../../db/action-repository.ts";
import type { Delivery } from "../../../../db/action-delivery-repository.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

export const actionParams = projectParams.extend({ id: z.uuid() });

export const newActionBody = z.object({
  name: z.string(),
  config: actionConfigSchema,
  /** Without any it never does anything. A status report has none. */
  events: z.array(actionEventSchema).default([]),
  active: z.boolean().default(true),
});

export const actionChangeBody = z.object({
  name: z.string().nullish(),
  config: actionConfigSchema.nullish(),
  events: z.array(actionEventSchema).nullish(),
  active: z.boolean().nullish(),
});

export const actionSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    action_type: z.enum(["send_mail", "send_web_request", "forge_status_report"]),
    config: shownActionConfigSchema,
    events: z.array(actionEventSchema),
    active: z.boolean(),
    last_fired_at: timestamp.nullable(),
    created_by: z.uuid(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: "Action" });

/** Of a token only whether there is one. */
export function toAction(row: Action): z.infer<typeof actionSchema> {
  return {
    id: row.id,
    name: row.name,
    action_type: row.type,
    config: shownConfigOf(row),
    events: eventsOf(row),
    active: row.active === 1,
    last_fired_at: toTimestampOrNull(row.last_fired_at),
    created_by: row.created_by,
    created_at: toTimestamp(row.created_at),
    updated_at: toTimestamp(row.updated_at),
  };
}

export const deliverySchema = z.object({
  id: z.uuid(),
  event: z.string(),
  success: z.boolean(),
  /** Whether it is tried again. */
  pending: z.boolean(),
  tries: z.int(),
  response_status: z.int().nullable(),
  error_message: z.string().nullable(),
  duration_ms: z.int(),
  /** Of the last try, or of the event when there was none yet. */
  delivered_at: timestamp,
  next_try_at: timestamp.nullable(),
});

/** Without what was sent and answered: that is told of one delivery at a time. */
export function toDelivery(row: Delivery): z.infer<typeof deliverySchema> {
  return {
    id: row.id,
    event: row.event,
    success: row.is_delivered === 1,
    pending: row.due_at !== null,
    tries: row.tries,
    response_status: row.response_status,
    error_message: row.error,
    duration_ms: row.duration_ms,
    delivered_at: toTimestamp(row.tried_at ?? row.created_at),
    next_try_at: toTimestampOrNull(row.due_at),
  };
}
