import { z } from "zod";
import type { Integration } from "../../../../db/integration-repository.ts";
import { timestamp, toTimestamp } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

export const integrationParams = organizationParams.extend({ id: z.uuid() });

export const integrationKind = z.enum(["inbound", "outbound"]);
export const forgeType = z.enum(["gitea", "forgejo", "gitlab", "github"]);

const text = z.string().max(2000);

/** An empty secret counts as none. */
export const newIntegrationBody = z.object({
  name: z.string(),
  display_name: z.string().nullish(),
  kind: integrationKind,
  forge_type: forgeType,
  /** Of webhooks, for an inbound one. */
  secret: text.nullish(),
  /** Of the forge's API, for an outbound one. */
  endpoint_url: text.nullish(),
  access_token: text.nullish(),
});

/** What is absent or null stays; an empty secret, token or address is removed. */
export const integrationChangeBody = z.object({
  name: z.string().nullish(),
  display_name: z.string().nullish(),
  forge_type: forgeType.nullish(),
  secret: text.nullish(),
  endpoint_url: text.nullish(),
  access_token: text.nullish(),
});

/** Secrets are never shown, only whether there are any. */
export const integrationSchema = z.object({
  id: z.uuid(),
  organization: z.uuid(),
  name: z.string(),
  display_name: z.string(),
  kind: integrationKind,
  forge_type: forgeType,
  endpoint_url: z.string().nullable(),
  has_secret: z.boolean(),
  has_access_token: z.boolean(),
  /** What the forge is to be given as the webhook's address; null for an outbound one. */
  hook_url: z.string().nullable(),
  created_by: z.uuid(),
  created_at: timestamp,
});

/** `organization` is its name: the address of the webhook has it. */
export function toIntegration(
  row: Integration,
  at: { serveUrl: string; organization: string },
): z.infer<typeof integrationSchema> {
  const hook = `${at.serveUrl}/api/v1/hooks/${row.forge}/${at.organization}/${row.name}`;
  return {
    id: row.id,
    organization: row.organization_id,
    name: row.name,
    display_name: row.display_name,
    kind: row.kind,
    forge_type: row.forge,
    endpoint_url: row.endpoint_url,
    has_secret: row.secret !== null,
    has_access_token: row.access_token !== null,
    hook_url: row.kind === "inbound" ? hook : null,
    created_by: row.created_by,
    created_at: toTimestamp(row.created_at),
  };
}
