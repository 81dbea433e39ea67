import { SecretKey } from "@gradient/protocol";
import { findSealedCacheKey } from "../db/cache-repository.ts";
import type { Queries } from "../db/client.ts";
import { NotFoundError } from "../errors.ts";
import type { CacheSigner } from "../ports.ts";
import type { MasterKey } from "./master-key.ts";

/** Context that a cache's key is sealed with. */
export function cacheKeyContext(cacheId: string): string {
  return `cache ${cacheId}`;
}

/** Signs with the caches' own keys. A key is unsealed at its first use and then kept in memory, never given out. */
export class StoredCacheSigner implements CacheSigner {
  readonly #db: Queries;
  readonly #masterKey: MasterKey;
  readonly #keys = new Map<string, SecretKey>();

  constructor(db: Queries, masterKey: MasterKey) {
    this.#db = db;
    this.#masterKey = masterKey;
  }

  async sign(cacheId: string, fingerprint: string): Promise<string> {
    const key = this.#keys.get(cacheId) ?? (await this.#unseal(cacheId));
    return key.sign(fingerprint);
  }

  /** Drops the key of a cache that was deleted or got another key. */
  forget(cacheId: string): void {
    this.#keys.delete(cacheId);
  }

  async #unseal(cacheId: string): Promise<SecretKey> {
    const row = await findSealedCacheKey(this.#db, cacheId);
    if (row === undefined) {
      throw new NotFoundError(`cache ${cacheId} does not exist, so nothing can be signed for it`);
    }
    const key = SecretKey.parse(this.#masterKey.open(row.private_key, cacheKeyContext(cacheId)));
    this.#keys.set(cacheId, key);
    return key;
  }
}
