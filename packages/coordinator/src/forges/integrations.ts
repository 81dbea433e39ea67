import { v7 as uuidv7 } from "uuid";
import type { Queries } from "../db/client.ts";
import {
  findIntegration,
  insertIntegration,
  updateIntegration,
  type Integration,
} from "../db/integration-repository.ts";
import type { Forge } from "../db/forge-tables.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import { checkDisplayName, checkSlug } from "../rules/names.ts";
import { DEFAULT_ENDPOINTS } from "./forge-host.ts";

export interface IntegrationParts {
  readonly db: Queries;
  readonly masterKey: MasterKey;
  readonly outbound: OutboundClient;
}

/** What an integration is made of. Secrets are in clear; an empty one is none. */
export interface IntegrationSettings {
  readonly name: string;
  readonly displayName: string;
  readonly forge: Forge;
  readonly endpointUrl: string | null;
  readonly secret: string | null;
  readonly accessToken: string | null;
}

/** Makes an integration and resolves to its id. Throws BadRequestError, ConflictError, OutboundError. */
export async function createIntegration(
  { db, masterKey, outbound }: IntegrationParts,
  of: { organizationId: string; createdBy: string; kind: Integration["kind"] },
  settings: IntegrationSettings,
  now: number,
): Promise<string> {
  check(outbound, of.kind, settings);
  const id = uuidv7();
  const isStored = await insertIntegration(db, {
    id,
    organization_id: of.organizationId,
    kind: of.kind,
    name: settings.name,
    display_name: settings.displayName,
    forge: settings.forge,
    endpoint_url: settings.endpointUrl,
    secret: sealed(masterKey, id, "secret", settings.secret),
    access_token: sealed(masterKey, id, "access token", settings.accessToken),
    created_by: of.createdBy,
    created_at: now,
  });
  if (isStored) return id;
  throw taken(of.kind, settings.name);
}

/** Changes what is given; null stays as it is, an empty secret is removed. Throws BadRequestError, ConflictError, OutboundError. */
export async function changeIntegration(
  { db, masterKey, outbound }: IntegrationParts,
  integration: Integration,
  change: { readonly [K in keyof IntegrationSettings]: IntegrationSettings[K] | null },
): Promise<void> {
  const { id, kind } = integration;
  const settings = {
    name: change.name ?? integration.name,
    displayName: change.displayName ?? integration.display_name,
    forge: change.forge ?? integration.forge,
    endpointUrl: change.endpointUrl ?? integration.endpoint_url,
    secret: change.secret,
    accessToken: change.accessToken,
  };
  check(outbound, kind, settings);
  const { secret, accessToken } = change;
  const isStored = await updateIntegration(db, integration, {
    name: settings.name,
    display_name: settings.displayName,
    forge: settings.forge,
    endpoint_url: settings.endpointUrl === "" ? null : settings.endpointUrl,
    ...(secret === null ? {} : { secret: sealed(masterKey, id, "secret", secret) }),
    ...(accessToken === null
      ? {}
      : { access_token: sealed(masterKey, id, "access token", accessToken) }),
  });
  if (!isStored) throw taken(kind, settings.name);
}

/** The organization's integration. Throws NotFoundError. */
export async function getIntegration(
  db: Queries,
  organization: { id: string; name: string },
  id: string,
): Promise<Integration> {
  const integration = await findIntegration(db, organization.id, id);
  if (integration !== undefined) return integration;
  throw new NotFoundError(`organization "${organization.name}" has no integration ${id}`);
}

/** In clear, for the one comparison or request that needs it; null when there is none. Throws SealError. */
export function openSecret(
  masterKey: MasterKey,
  integration: Integration,
  what: "secret" | "access token",
): string | null {
  const text = what === "secret" ? integration.secret : integration.access_token;
  return text === null ? null : masterKey.open(text, integrationContext(integration.id, what));
}

function sealed(
  masterKey: MasterKey,
  id: string,
  what: "secret" | "access token",
  text: string | null,
): string | null {
  return text === null || text === "" ? null : masterKey.seal(text, integrationContext(id, what));
}

/** Context that a secret of an integration is sealed with. */
export function integrationContext(id: string, what: "secret" | "access token"): string {
  return `${what} of integration ${id}`;
}

function check(
  outbound: OutboundClient,
  kind: Integration["kind"],
  { name, displayName, forge, endpointUrl }: IntegrationSettings,
): void {
  checkSlug("integration", name);
  checkDisplayName(displayName);
  if (endpointUrl !== null && endpointUrl !== "") {
    outbound.check(endpointUrl);
  } else if (kind === "outbound" && DEFAULT_ENDPOINTS[forge] === undefined) {
    throw new BadRequestError(`endpoint_url is needed: there is no one place for ${forge}`);
  }
}

function taken(kind: string, name: string): ConflictError {
  return new ConflictError(`an ${kind} integration named "${name}" exists already`, {
    code: "already_exists",
  });
}
