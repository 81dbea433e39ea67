import type { Generated } from "kysely";
import type { Flag } from "./flag.ts";

/** Rows of what projects tell the world, by the rules of tables.ts. */

export type ActionType = "send_mail" | "send_web_request" | "forge_status_report";

export interface ActionsTable {
  id: string;
  project_id: string;
  /** Unique in the project. */
  name: string;
  type: ActionType;
  /** Without type, token and integration. */
  config_json: string;
  /** Names of events. */
  events_json: string;
  /** Sealed with the master key; null for a request without one. */
  token: string | null;
  /** Of a status report. */
  integration_id: string | null;
  active: Flag;
  last_fired_at: number | null;
  created_by: string;
  created_at: number;
  updated_at: number;
}

/** Events that an action is told of, with what came of it. Triggers make them. Kept for some weeks. */
export interface ActionDeliveriesTable {
  id: string;
  action_id: string;
  event: string;
  /** Of the evaluation or build then. */
  state: string;
  evaluation_id: string | null;
  /** Of the evaluation's build when the event is one of a build. */
  build_id: string | null;
  created_at: number;
  /** null when nothing is tried any more. */
  due_at: number | null;
  tries: Generated<number>;
  is_delivered: Generated<Flag>;
  /** As it was sent last. */
  request_body: Generated<string>;
  response_status: number | null;
  response_body: string | null;
  error: string | null;
  /** Of the last try. */
  duration_ms: Generated<number>;
  tried_at: number | null;
}

export interface ActionTables {
  actions: ActionsTable;
  action_deliveries: ActionDeliveriesTable;
}
