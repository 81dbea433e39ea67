import { z } from "zod";
import type { Action } from "../db/action-repository.ts";
import { readJsonColumn } from "../db/json-column.ts";

/** What happens to evaluations and builds; the triggers of the migration make the events. */
export const ACTION_EVENTS = [
  "evaluation.queued",
  "evaluation.started",
  "evaluation.building",
  "evaluation.completed",
  "evaluation.failed",
  "evaluation.aborted",
  "evaluation.action_required",
  "evaluation.approval_granted",
  "build.queued",
  "build.started",
  "build.completed",
  "build.failed",
  "build.substituted",
] as const;
export const actionEventSchema = z.enum(ACTION_EVENTS);
export type ActionEvent = (typeof ACTION_EVENTS)[number];

const MAX_RECIPIENTS = 50;
const MAX_SUBJECT = 200;
const MAX_TOKEN = 1000;

const sendMail = z.object({
  type: z.literal("send_mail"),
  recipients: z.array(z.string()).min(1).max(MAX_RECIPIENTS),
  /** `{event}`, `{project}`, `{org}`, `{id}` and `{status}` are filled in. */
  subject_template: z
    .string()
    .max(MAX_SUBJECT)
    .regex(/^[^\r\n]*$/, "has to be one line")
    .nullish(),
});
const sendWebRequest = z.object({ type: z.literal("send_web_request"), url: z.string() });
const forgeStatusReport = z.object({
  type: z.literal("forge_status_report"),
  integration_id: z.uuid(),
});

/** What an action does, as the API takes it. */
export const actionConfigSchema = z.discriminatedUnion("type", [
  sendMail,
  sendWebRequest.extend({
    /** Absent: one is made, or the old one stays. null: requests go without one. */
    token: z
      .string()
      .min(1)
      .max(MAX_TOKEN)
      .regex(/^[\x21-\x7e]+$/, "has to be printable ASCII without blanks")
      .nullish(),
  }),
  forgeStatusReport,
]);
export type ActionConfig = z.infer<typeof actionConfigSchema>;

/** As it is shown: a token is shown once, when it is set. */
export const shownActionConfigSchema = z.discriminatedUnion("type", [
  sendMail,
  sendWebRequest.extend({ has_token: z.boolean() }),
  forgeStatusReport,
]);
export type ShownActionConfig = z.infer<typeof shownActionConfigSchema>;

const storedSchema = z.discriminatedUnion("type", [
  sendMail,
  sendWebRequest,
  forgeStatusReport.omit({ integration_id: true }),
]);

/** Columns of a configuration; the token is sealed apart. */
export function toColumns(
  config: ActionConfig,
): Pick<Action, "type" | "config_json" | "integration_id"> {
  const { type } = config;
  if (type === "forge_status_report") {
    const { integration_id } = config;
    return { type, config_json: JSON.stringify({ type }), integration_id };
  }
  const stored = type === "send_mail" ? config : { type, url: config.url };
  return { type, config_json: JSON.stringify(stored), integration_id: null };
}

/** Without what stands in columns of its own: the token, sealed, and the integration. Throws when the text has another form: the database is damaged. */
export function storedConfigOf({ config_json }: Pick<Action, "config_json">) {
  return readJsonColumn(storedSchema, config_json);
}

/** As the API shows it; of a token only whether there is one. */
export function shownConfigOf(action: Action): ShownActionConfig {
  const config = storedConfigOf(action);
  if (config.type === "send_mail") return config;
  if (config.type === "send_web_request") return { ...config, has_token: action.token !== null };
  return { ...config, integration_id: action.integration_id ?? "" };
}

/** What the action waits for. Empty for one that reports statuses: those follow every evaluation. */
export function eventsOf({ events_json }: Pick<Action, "events_json">): ActionEvent[] {
  return readJsonColumn(z.array(actionEventSchema), events_json);
}
