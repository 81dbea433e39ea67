import { z } from "zod";
import {
  cachePermissions,
  organizationPermissions,
  permissionNames,
} from "../../../../auth/permissions.ts";
import type { NamedApiKey } from "../../../../db/api-key-repository.ts";
import { readJsonColumn, stringListSchema } from "../../../../db/json-column.ts";
import { timestamp, toTimestamp, toTimestampOrNull } from "../../../envelope.ts";

export const apiKeySchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    managed: z.boolean(),
    permissions: z.array(z.string()),
    organization: z.string().nullable(),
    cache: z.string().nullable(),
    created_at: timestamp,
    last_used_at: timestamp.nullable(),
    expires_at: timestamp.nullable(),
    revoked_at: timestamp.nullable(),
    allowed_ips: z.array(z.string()),
  })
  .meta({ id: "ApiKey" });

/** Permissions are named from the catalogue that belongs to the key's pin. The key itself is never told again. */
export function toApiKey(key: NamedApiKey): z.infer<typeof apiKeySchema> {
  const catalogue = key.cache_id === null ? organizationPermissions : cachePermissions;
  return {
    id: key.id,
    name: key.name,
    managed: key.managed === 1,
    permissions: permissionNames(catalogue, key.permissions),
    organization: key.organization_name,
    cache: key.cache_name,
    created_at: toTimestamp(key.created_at),
    last_used_at: toTimestampOrNull(key.last_used_at),
    expires_at: toTimestampOrNull(key.expires_at),
    revoked_at: toTimestampOrNull(key.revoked_at),
    allowed_ips: readJsonColumn(stringListSchema, key.allowed_ips_json),
  };
}
