import { SignatureError } from "@gradient/protocol";
import { audit, type Actor, type AuditEvent } from "../accounts/audit.ts";
import {
  insertCacheKey,
  listCacheKeys,
  startKeySweep,
  updateCacheKey,
  type ShownCacheKey,
} from "../db/cache-key-repository.ts";
import type { ShownCache } from "../db/cache-repository.ts";
import type { Database, Queries } from "../db/client.ts";
import { BadRequestError, ConflictError, NotFoundError } from "../errors.ts";
import {
  cacheKeyName,
  generateCacheKey,
  newKeyRow,
  parseCacheKey,
  type CacheKey,
} from "../keys/cache-key.ts";
import type { MasterKey } from "../keys/master-key.ts";
import type { CacheUpkeep } from "../ports.ts";

/** Each is a line in every narinfo. */
const MAX_KEYS = 8;
const MAX_NAME_LENGTH = 200;

export interface KeyChangeParts {
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly upkeep: CacheUpkeep;
  readonly serveUrl: string;
}

export interface KeyChange {
  readonly cache: Pick<ShownCache, "id" | "name">;
  readonly actor: Actor;
  readonly now: number;
}

/**
 * Makes a key that signs beside the others from now on; what the cache shows already gets its signature in the background. Without a name it is called as
 * the cache's first key, with a number. Throws BadRequestError, ConflictError.
 */
export async function createKey(
  parts: KeyChangeParts,
  change: KeyChange,
  name: string | null,
): Promise<ShownCacheKey> {
  if (name !== null) checkName(name);
  return changeKeys(parts, change, "cache.key.create", async (db, keys) => {
    const keyName = name ?? freeName(cacheKeyName(parts.serveUrl, change.cache.name), keys);
    requireFreeName(keys, keyName);
    return addKey(db, parts.masterKey, change, generateCacheKey(keyName));
  });
}

/** Takes a key that was made elsewhere, `name:base64` as Nix's key files have it. One that was retired signs again. Throws BadRequestError, ConflictError. */
export async function importKey(
  parts: KeyChangeParts,
  change: KeyChange,
  secretKey: string,
): Promise<ShownCacheKey> {
  const key = readSecret(secretKey);
  checkName(key.keyName);
  return changeKeys(parts, change, "cache.key.import", async (db, keys) => {
    const known = keys.find(({ key_name: name }) => name === key.keyName);
    if (known === undefined) return addKey(db, parts.masterKey, change, key);
    if (known.state !== "retired" || known.public_key !== key.publicKey) {
      requireFreeName(keys, key.keyName);
    }
    const row = newKeyRow(parts.masterKey, change.cache.id, key, {
      isComplete: false,
      now: known.created_at,
    });
    await updateCacheKey(db, known.id, { ...row, id: known.id });
    return { ...known, state: "active", is_complete: 0 };
  });
}

/**
 * A key signs no more; its secret is forgotten, what it has signed stays. Throws NotFoundError, and ConflictError when no other key has signed all that the cache shows:
 * clients would be left with paths that no key signs.
 */
export async function retireKey(
  parts: KeyChangeParts,
  change: KeyChange,
  keyId: string,
): Promise<ShownCacheKey> {
  return changeKeys(parts, change, "cache.key.retire", async (db, keys) => {
    const key = requireKey(keys, keyId);
    if (key.state === "retired")
      throw new ConflictError(`key "${key.key_name}" is retired already`);
    requireOtherKey(keys, key);
    await updateCacheKey(db, key.id, { state: "retired", private_key: null });
    return { ...key, state: "retired" };
  });
}

/** Takes a key away, and then what it has signed. Throws NotFoundError, and ConflictError as `retireKey` does. */
export async function deleteKey(
  parts: KeyChangeParts,
  change: KeyChange,
  keyId: string,
): Promise<ShownCacheKey> {
  return changeKeys(parts, change, "cache.key.delete", async (db, keys) => {
    const key = requireKey(keys, keyId);
    if (key.state === "active") requireOtherKey(keys, key);
    await updateCacheKey(db, key.id, { state: "removing", private_key: null });
    return key;
  });
}

/** Changes the keys in one transaction with the order to sweep the cache and with the audit trail. */
async function changeKeys(
  { database, upkeep }: KeyChangeParts,
  { cache, actor, now }: KeyChange,
  event: AuditEvent,
  change: (db: Queries, keys: readonly ShownCacheKey[]) => Promise<ShownCacheKey>,
): Promise<ShownCacheKey> {
  const changed = await database.transaction(async ({ kysely }) => {
    const key = await change(kysely, await listCacheKeys(kysely, cache.id));
    await startKeySweep(kysely, cache.id);
    const details = { key: key.key_name };
    await audit(kysely, { event, actor, subject: cache.name, details }, now);
    return key;
  });
  upkeep.keysChanged();
  return changed;
}

async function addKey(
  db: Queries,
  masterKey: MasterKey,
  { cache, now }: KeyChange,
  key: CacheKey,
): Promise<ShownCacheKey> {
  const keys = await listCacheKeys(db, cache.id);
  if (keys.length >= MAX_KEYS) {
    throw new ConflictError(
      `cache "${cache.name}" has ${keys.length} keys, and more than ${MAX_KEYS} are not kept: delete one first`,
    );
  }
  const row = newKeyRow(masterKey, cache.id, key, { isComplete: false, now });
  await insertCacheKey(db, row);
  const { private_key: _, ...shown } = row;
  return shown;
}

function readSecret(secretKey: string): CacheKey {
  try {
    return parseCacheKey(secretKey);
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    // The cause is left out: nothing of what may be a secret goes into a log.
    throw new BadRequestError(`secret_key: ${error.message}`, { code: "bad_key" });
  }
}

function checkName(name: string): void {
  if (name.length <= MAX_NAME_LENGTH && /^[^\s:,]+$/.test(name)) return;
  throw new BadRequestError(
    `a key's name has 1 to ${MAX_NAME_LENGTH} characters, without colons, commas and white space`,
    { code: "bad_key" },
  );
}

function freeName(base: string, keys: readonly ShownCacheKey[]): string {
  for (let number = 2; ; number += 1) {
    const name = `${base}-${number}`;
    if (!keys.some((key) => key.key_name === name)) return name;
  }
}

function requireFreeName(keys: readonly ShownCacheKey[], name: string): void {
  const known = keys.find((key) => key.key_name === name);
  if (known === undefined) return;
  const isGoing = known.state === "removing";
  throw new ConflictError(
    isGoing
      ? `key "${name}" is being removed: wait until it is gone, or take another name`
      : `the cache has a key named "${name}" already`,
    { code: "already_exists" },
  );
}

function requireKey(keys: readonly ShownCacheKey[], id: string): ShownCacheKey {
  const key = keys.find((each) => each.id === id && each.state !== "removing");
  if (key === undefined) throw new NotFoundError(`key ${id} does not exist`);
  return key;
}

function requireOtherKey(keys: readonly ShownCacheKey[], key: ShownCacheKey): void {
  const others = keys.filter(({ id, state }) => id !== key.id && state === "active");
  if (others.some((other) => other.is_complete === 1)) return;
  if (others.length === 0) {
    throw new ConflictError(
      `"${key.key_name}" is the only key that signs for the cache: add another one first`,
      { code: "only_key" },
    );
  }
  throw new ConflictError(
    `no other key than "${key.key_name}" has signed everything yet: wait until one has`,
    { code: "signing_unfinished" },
  );
}
