import type { Generated } from "kysely";
import type { Flag } from "./flag.ts";

export type TriggerType = "polling" | "reporter_push" | "reporter_pull_request" | "time";
export type Forge = "gitea" | "forgejo" | "gitlab" | "github";

/** Forges of an organization. Inbound ones tell us of pushes, outbound ones are told of results. */
export interface IntegrationsTable {
  id: string;
  organization_id: string;
  /** Unique among those of its kind. */
  name: string;
  display_name: string;
  kind: "inbound" | "outbound";
  forge: Forge;
  endpoint_url: string | null;
  /** Both sealed with the master key. */
  secret: string | null;
  access_token: string | null;
  created_by: string;
  created_at: number;
  managed: Generated<Flag>;
}

/** Deliveries of webhooks that were taken. Kept for some days. */
export interface HookDeliveriesTable {
  integration_id: string;
  delivery: string;
  received_at: number;
}

export interface TriggersTable {
  id: string;
  project_id: string;
  type: TriggerType;
  /** Without type and integration. */
  config_json: string;
  integration_id: string | null;
  active: Flag;
  /** Of an active one that looks by itself: when it does so next. */
  due_at: number | null;
  checked_at: number | null;
  /** Newest commit that it has seen and need not start anything for, however long the evaluation of it is kept. */
  revision: string | null;
  /** Looks in a row that failed. */
  failures: Generated<number>;
  /** Of the last look. */
  error: string | null;
  /** 1 for one that nobody made: it looks once whenever the project's hook is called, and is shown to nobody. */
  is_hook: Generated<Flag>;
  /** When it last started an evaluation. */
  fired_at: number | null;
  created_at: number;
  updated_at: number;
}

/** Evaluations whose forge has still to be told something; a row goes when the result was told. */
export interface ForgeReportsTable {
  evaluation_id: string;
  integration_id: string;
  /** What it was told last. */
  sent: "pending" | null;
  tries: Generated<number>;
  due_at: number;
}

/** What starts evaluations, and what is told of them. */
export interface ForgeTables {
  forge_reports: ForgeReportsTable;
  hook_deliveries: HookDeliveriesTable;
  integrations: IntegrationsTable;
  triggers: TriggersTable;
}
