import {
  cachePermissions,
  organizationPermissions,
  permissionNames,
} from "../../auth/permissions.ts";
import { readJsonColumn, stringListSchema } from "../../db/json-column.ts";
import type { Declarable } from "../../db/state-view.ts";
import type { Names } from "../export-state.ts";

/** Each registration is an entry of its own: each has its own token. */
export function exportWorkers({ registrations }: Declarable, names: Names): object {
  return Object.fromEntries(
    registrations.map((row) => {
      const organization = names.organizations.get(row.organization_id) ?? "";
      return [
        `${organization}/${row.worker_id}`,
        {
          worker_id: row.worker_id,
          display_name: row.display_name,
          organizations: [organization],
          token_hash: row.token_hash,
          public_key: row.public_key,
          url: row.url,
          enable_fetch: row.enable_fetch === 1,
          enable_eval: row.enable_eval === 1,
          enable_build: row.enable_build === 1,
          enabled: row.active === 1,
          created_by: names.creator(row.created_by),
        },
      ];
    }),
  );
}

/** By `OWNER/NAME`, with the hashes of the keys: who has a key can go on using it. */
export function exportApiKeys({ apiKeys }: Declarable, names: Names): object {
  return Object.fromEntries(
    apiKeys.map((key) => {
      const owner = names.users.get(key.user_id);
      const cache = names.caches.get(key.cache_id ?? "");
      const catalogue = cache === undefined ? organizationPermissions : cachePermissions;
      return [
        `${owner}/${key.name}`,
        {
          name: key.name,
          owned_by: owner,
          key_hash: key.secret_hash,
          permissions: permissionNames(catalogue, key.permissions),
          organization: names.organizations.get(key.organization_id ?? ""),
          cache,
          allowed_ips: readJsonColumn(stringListSchema, key.allowed_ips_json),
          expires_at: key.expires_at === null ? undefined : new Date(key.expires_at).toISOString(),
        },
      ];
    }),
  );
}
