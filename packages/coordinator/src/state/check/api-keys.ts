import { checkKeyName, checkRanges } from "../../accounts/key-scope.ts";
import { cachePermissions, organizationPermissions } from "../../auth/permissions.ts";
import type { Declared } from "../declared.ts";
import type { Findings } from "../findings.ts";
import { checkPermissions } from "./roles.ts";

/** Names differ among the keys of one owner; permissions are of the catalogue that belongs to the key's pin. */
export function checkApiKeys(declared: Declared, findings: Findings): void {
  const { apiKeys, users, organizations, caches } = declared;
  const usernames = new Set(users.map(({ username }) => username));
  const organizationNames = new Set(organizations.map(({ name }) => name));
  const cacheNames = new Set(caches.map(({ name }) => name));
  findings.unique(
    apiKeys.map(({ path, name, owned_by: owner }) => ({ path, key: `${owner}\n${name}` })),
    "the name",
  );
  for (const key of apiKeys) {
    const { path, organization, cache } = key;
    findings.rule(path, () => checkKeyName(key.name));
    findings.known([...path, "owned_by"], "users", usernames, key.owned_by);
    findings.exactlyOne(path, key, ["key_file", "key_hash"]);
    findings.onlyOne(path, key, ["organization", "cache"]);
    if (organization !== undefined) {
      findings.known([...path, "organization"], "organizations", organizationNames, organization);
    }
    if (cache !== undefined) findings.known([...path, "cache"], "caches", cacheNames, cache);
    checkPermissions(key, findings, {
      catalogue: cache === undefined ? organizationPermissions : cachePermissions,
    });
    findings.rule([...path, "allowed_ips"], () => void checkRanges(key.allowed_ips));
  }
}
