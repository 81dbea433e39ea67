import { notManaged, type Authority } from "../auth/authority.ts";
import type { SignedIn } from "../auth/caller.ts";
import {
  deleteApiKey,
  findApiKey,
  updateApiKey,
  type ApiKeyChange,
  type NamedApiKey,
} from "../db/api-key-repository.ts";
import type { Database } from "../db/client.ts";
import { BadRequestError, NotFoundError } from "../errors.ts";
import { audit, type Actor, type AuditEvent } from "./audit.ts";
import {
  cacheKeyScope,
  checkKeyName,
  checkRanges,
  organizationKeyMask,
  pinnedOrganization,
} from "./key-scope.ts";
import { keyNameTaken } from "./mint-api-key.ts";

/** A key, and who wants to change it. */
interface KeyOf {
  key: NamedApiKey;
  actor: Actor;
}

/** What is absent stays as it is. */
export interface KeyChange {
  name?: string | undefined;
  /** In place of all that it had; of the catalogue that belongs to the key's pin. */
  permissions?: readonly string[] | undefined;
  /** Name of the organization to pin to; null unpins. */
  organization?: string | null | undefined;
  allowedIps?: readonly string[] | undefined;
}

/** The owner's key, when it may be changed. Throws NotFoundError, ForbiddenError (managed). */
export async function changeableKey(
  database: Database,
  owner: SignedIn,
  by: { id: string } | { name: string },
): Promise<NamedApiKey> {
  const key = await findApiKey(database.kysely, owner.user.id, by);
  if (key === undefined) {
    const which = "id" in by ? `with id ${by.id}` : `named "${by.name}"`;
    throw new NotFoundError(`you have no API key ${which}`);
  }
  notManaged(key);
  return key;
}

/** Changes a key without another secret. Throws BadRequestError, ForbiddenError, NotFoundError, ConflictError (name taken). */
export async function changeApiKey(
  dependencies: { database: Database; authority: Authority },
  { key, owner, actor }: KeyOf & { owner: SignedIn },
  change: KeyChange,
  now: number,
): Promise<void> {
  const columns = await columnsOf(dependencies.authority, { key, owner }, change);
  await dependencies.database.transaction(async ({ kysely }) => {
    if (!(await updateApiKey(kysely, key, columns))) throw keyNameTaken(change.name ?? key.name);
    await audit(kysely, { event: "api_key.update", actor, subject: key.name }, now);
  });
}

/** The key stops to work at once; its row stays. Harmless on a key that is revoked already. */
export async function revokeApiKey(
  database: Database,
  { key, actor }: KeyOf,
  now: number,
): Promise<void> {
  if (key.revoked_at !== null) return;
  await recorded(database, { event: "api_key.revoke", key, actor }, now, (db) =>
    updateApiKey(db, key, { revoked_at: now }),
  );
}

/** The key and its row go, revoked or not; the audit trail keeps its name. */
export async function removeApiKey(
  database: Database,
  { key, actor }: KeyOf,
  now: number,
): Promise<void> {
  await recorded(database, { event: "api_key.delete", key, actor }, now, (db) =>
    deleteApiKey(db, key.id),
  );
}

async function recorded(
  database: Database,
  what: KeyOf & { event: AuditEvent },
  now: number,
  run: (db: Database["kysely"]) => Promise<unknown>,
): Promise<void> {
  const { event, key, actor } = what;
  await database.transaction(async ({ kysely }) => {
    await run(kysely);
    await audit(kysely, { event, actor, subject: key.name }, now);
  });
}

async function columnsOf(
  authority: Authority,
  { key, owner }: { key: NamedApiKey; owner: SignedIn },
  change: KeyChange,
): Promise<ApiKeyChange> {
  const { name, permissions, organization, allowedIps } = change;
  const columns: ApiKeyChange = {};
  if (name !== undefined) {
    checkKeyName(name);
    columns.name = name;
  }
  if (allowedIps !== undefined) columns.allowed_ips_json = JSON.stringify(checkRanges(allowedIps));
  if (organization !== undefined && organization !== null && key.cache_id !== null) {
    throw new BadRequestError(
      `API key "${key.name}" is pinned to a cache and cannot be pinned to an organization, too`,
    );
  }
  if (organization !== undefined) {
    columns.organization_id =
      organization === null ? null : await pinnedOrganization(authority, owner, organization);
  }
  if (permissions !== undefined) {
    columns.permissions =
      key.cache_name === null
        ? organizationKeyMask(permissions)
        : (await cacheKeyScope(authority, owner, key.cache_name, permissions)).mask;
  }
  return columns;
}
