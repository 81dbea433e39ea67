import { randomBytes } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { findAction, insertAction, updateAction, type Action } from "../db/action-repository.ts";
import type { Database, Queries } from "../db/client.ts";
import { findIntegration } from "../db/integration-repository.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import type { Mailer } from "../mail/mailer.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import { checkEmail } from "../rules/account.ts";
import { checkDisplayName } from "../rules/names.ts";
import { toColumns, type ActionConfig, type ActionEvent } from "./action-config.ts";

export interface ActionParts {
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly outbound: OutboundClient;
  readonly mailer: Mailer | null;
}

export interface ActionSettings {
  readonly name: string;
  readonly config: ActionConfig;
  readonly events: readonly ActionEvent[];
  readonly isActive: boolean;
}

/** An action that was stored, with the token that was set, which is shown this once. */
export interface StoredAction {
  readonly id: string;
  readonly token: string | null;
}

/** Makes an action of a project. Throws BadRequestError, ConflictError, OutboundError. */
export async function createAction(
  parts: ActionParts,
  of: { projectId: string; organizationId: string; createdBy: string },
  { name, config, events, isActive }: ActionSettings,
  now: number,
): Promise<StoredAction> {
  const { database, masterKey } = parts;
  checkDisplayName(name);
  await checkConfig(parts, of.organizationId, config);
  const id = uuidv7();
  const token = tokenOf(config);
  const isStored = await database.transaction(({ kysely }) =>
    insertAction(kysely, {
      id,
      project_id: of.projectId,
      name,
      ...toColumns(config),
      events_json: eventsJson(config, events),
      token: sealed(masterKey, id, token),
      active: isActive ? 1 : 0,
      last_fired_at: null,
      created_by: of.createdBy,
      created_at: now,
      updated_at: now,
    }),
  );
  if (isStored) return { id, token };
  throw taken(name);
}

/** Changes what is given; null stays as it is, and so does a token that a new configuration does not name. Throws as `createAction`. */
export async function changeAction(
  parts: ActionParts,
  of: { organizationId: string; action: Action },
  change: { readonly [K in keyof ActionSettings]: ActionSettings[K] | null },
  now: number,
): Promise<void> {
  const { action } = of;
  const { name, config, events, isActive } = change;
  if (name !== null) checkDisplayName(name);
  if (config !== null) await checkConfig(parts, of.organizationId, config);
  const type = config?.type ?? action.type;
  const isStored = await parts.database.transaction(({ kysely }) =>
    updateAction(kysely, action, {
      ...(name === null ? {} : { name }),
      ...(config === null ? {} : { ...toColumns(config), ...tokenChange(parts, action, config) }),
      ...(events === null ? {} : { events_json: eventsJson({ type }, events) }),
      ...(isActive === null ? {} : { active: isActive ? 1 : 0 }),
      updated_at: now,
    }),
  );
  if (!isStored) throw taken(name ?? action.name);
}

/** Gives a web request another token, which is shown this once. Throws BadRequestError for an action of another type. */
export async function renewToken(
  { database, masterKey }: ActionParts,
  action: Action,
  now: number,
): Promise<string> {
  if (action.type !== "send_web_request") {
    throw new BadRequestError(`action "${action.name}" sends no web request: it has no token`);
  }
  const token = generateToken();
  await database.transaction(({ kysely }) =>
    updateAction(kysely, action, {
      token: sealed(masterKey, action.id, token),
      updated_at: now,
    }),
  );
  return token;
}

/** The project's action. Throws NotFoundError. */
export async function getAction(
  db: Queries,
  project: { id: string; name: string },
  id: string,
): Promise<Action> {
  const action = await findAction(db, project.id, id);
  if (action !== undefined) return action;
  throw new NotFoundError(`project "${project.name}" has no action ${id}`);
}

/** Context that an action's token is sealed with. */
export function actionContext(id: string): string {
  return `token of action ${id}`;
}

/** Throws BadRequestError and OutboundError for what could never be done. */
async function checkConfig(
  { database, outbound, mailer }: ActionParts,
  organizationId: string,
  config: ActionConfig,
): Promise<void> {
  switch (config.type) {
    case "send_mail":
      if (mailer === null) {
        throw new BadRequestError("this server sends no mail: an administrator has to set it up");
      }
      for (const recipient of config.recipients) checkEmail(recipient);
      return;
    case "send_web_request":
      outbound.check(config.url);
      return;
    case "forge_status_report": {
      const { integration_id: id } = config;
      const integration = await findIntegration(database.kysely, organizationId, id);
      if (integration?.kind === "outbound") return;
      throw new BadRequestError(`the organization has no outbound integration ${id}`);
    }
  }
}

/** Statuses follow each evaluation from its start to its end: there is nothing to choose. */
function eventsJson(config: Pick<ActionConfig, "type">, events: readonly ActionEvent[]): string {
  return JSON.stringify(config.type === "forge_status_report" ? [] : [...new Set(events)]);
}

function tokenOf(config: ActionConfig): string | null {
  if (config.type !== "send_web_request") return null;
  return config.token === undefined ? generateToken() : config.token;
}

function tokenChange(
  { masterKey }: ActionParts,
  action: Action,
  config: ActionConfig,
): { token?: string | null } {
  if (config.type !== "send_web_request") return { token: null };
  if (config.token === undefined) return {};
  return { token: sealed(masterKey, action.id, config.token) };
}

function generateToken(): string {
  return randomBytes(32).toString("base64url");
}

function sealed(masterKey: MasterKey, id: string, token: string | null): string | null {
  return token === null ? null : masterKey.seal(token, actionContext(id));
}

function taken(name: string): ConflictError {
  return new ConflictError(`the project has an action named "${name}" already`, {
    code: "already_exists",
  });
}
