import { readJsonColumn } from "../db/json-column.ts";
import type { Trigger } from "../db/trigger-repository.ts";
import {
  shownTriggerConfigSchema,
  type ShownTriggerConfig,
  type TriggerConfig,
} from "./trigger-config.ts";

/** Columns of a configuration. The integration stands apart, so that its end is seen. */
export function toColumns(
  config: TriggerConfig,
): Pick<Trigger, "type" | "config_json" | "integration_id"> {
  if (config.type === "polling" || config.type === "time") {
    return { type: config.type, config_json: JSON.stringify(config), integration_id: null };
  }
  const { integration_id, ...rest } = config;
  return {
    type: config.type,
    config_json: JSON.stringify({ ...rest, integration_id: null }),
    integration_id,
  };
}

/** `integration_id` is null when the forge that told the trigger is gone. */
export function configOf(
  trigger: Pick<Trigger, "config_json" | "integration_id">,
): ShownTriggerConfig {
  const config = readJsonColumn(shownTriggerConfigSchema, trigger.config_json);
  if (config.type === "polling" || config.type === "time") return config;
  return { ...config, integration_id: trigger.integration_id };
}
