import { v7 as uuidv7 } from "uuid";
import { checkRanges } from "../../accounts/key-scope.ts";
import {
  cachePermissions,
  organizationPermissions,
  permissionMask,
} from "../../auth/permissions.ts";
import { findApiKey, insertApiKey, updateApiKey } from "../../db/api-key-repository.ts";
import { findKeyByHash } from "../../db/declared-repository.ts";
import { ConflictError } from "../../errors.ts";
import type { DeclaredApiKey } from "../declared.ts";
import { difference, idOf, record, type Applying } from "./applying.ts";

/** Makes the API keys what the file declares. One that was revoked stays so until the file has another secret for it. */
export async function applyApiKeys(applying: Applying): Promise<void> {
  for (const key of applying.declared.apiKeys) await applyApiKey(applying, key);
}

async function applyApiKey(applying: Applying, key: DeclaredApiKey): Promise<void> {
  const { db, now } = applying;
  const { name } = key;
  const columns = columnsOf(applying, key);
  const same = await findKeyByHash(db, columns.secret_hash);
  const found = (await findApiKey(db, columns.user_id, { name })) ?? same;
  if (same !== undefined && (same.id !== found?.id || same.managed === 0)) throw used(key);
  const id = found?.id ?? uuidv7();
  applying.kept.add(id);
  if (found === undefined) {
    const row = { id, ...columns, created_at: now, last_used_at: null, revoked_at: null };
    await insertApiKey(db, row);
    record(applying, "created", "API key", name);
    return;
  }
  const changed = difference(found, columns);
  if (changed === null) return;
  const isOther = changed.secret_hash !== undefined;
  await updateApiKey(db, found, { ...changed, ...(isOther ? { revoked_at: null } : {}) });
  record(applying, "changed", "API key", name);
}

function columnsOf(applying: Applying, key: DeclaredApiKey) {
  const { secrets, organizationIds, cacheIds } = applying;
  const { organization, cache } = key;
  return {
    user_id: idOf(applying.userIds, key.owned_by),
    name: key.name,
    secret_hash: secrets.keyHashes.get(key.key_file ?? "") ?? key.key_hash ?? "",
    permissions: maskOf(key),
    organization_id: organization === undefined ? null : idOf(organizationIds, organization),
    cache_id: cache === undefined ? null : idOf(cacheIds, cache),
    allowed_ips_json: JSON.stringify(checkRanges(key.allowed_ips)),
    expires_at: key.expires_at === undefined ? null : Date.parse(key.expires_at),
    managed: 1 as const,
  };
}

function maskOf({ cache, permissions }: DeclaredApiKey): number {
  const catalogue = cache === undefined ? organizationPermissions : cachePermissions;
  const result = permissionMask(catalogue, permissions);
  if ("mask" in result) return result.mask;
  throw new Error(`${result.unknown} was checked`);
}

function used({ name, owned_by: owner }: DeclaredApiKey): ConflictError {
  return new ConflictError(
    `API key "${name}" of user "${owner}" has the hash of another key: make a new secret`,
    { code: "already_exists" },
  );
}
