import { SecretKey } from "@gradient/protocol";
import {
  prepareFindSealedKeys,
  signingKeysName,
  type FindSealedKeys,
  type SealedCacheKey,
} from "../db/cache-key-repository.ts";
import type { Database } from "../db/client.ts";
import { NotFoundError } from "../errors.ts";
import type { CacheSignatures, CacheSigner } from "../ports.ts";
import { cacheKeyContext } from "./cache-key.ts";
import type { MasterKey } from "./master-key.ts";

interface OpenKeys {
  /** Of the set. */
  readonly name: string;
  readonly keys: readonly SecretKey[];
}

/** Signs with the caches' own keys. They are unsealed when they are first used and then kept in memory, never given out. */
export class StoredCacheSigner implements CacheSigner {
  readonly #find: FindSealedKeys;
  readonly #masterKey: MasterKey;
  readonly #open = new Map<string, OpenKeys>();

  constructor(database: Pick<Database, "prepare">, masterKey: MasterKey) {
    this.#find = prepareFindSealedKeys(database);
    this.#masterKey = masterKey;
  }

  sign(cacheId: string, fingerprint: string): Promise<CacheSignatures> {
    try {
      const { name, keys } = this.#keysOf(cacheId);
      return Promise.resolve({ signatures: keys.map((key) => key.sign(fingerprint)), keys: name });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Drops the keys of a cache that was deleted. */
  forget(cacheId: string): void {
    this.#open.delete(cacheId);
  }

  /** Which keys sign is looked up each time, so that a new one signs at once and a retired one never again. */
  #keysOf(cacheId: string): OpenKeys {
    const sealed = this.#find(cacheId);
    const name = signingKeysName(sealed.map(({ id }) => id));
    const known = this.#open.get(cacheId);
    if (known?.name === name) return known;
    if (sealed.length === 0) {
      this.#open.delete(cacheId);
      throw new NotFoundError(`cache ${cacheId} does not exist, so nothing can be signed for it`);
    }
    const open = { name, keys: sealed.map((key) => this.#unseal(cacheId, key)) };
    this.#open.set(cacheId, open);
    return open;
  }

  #unseal(cacheId: string, { private_key: sealed }: SealedCacheKey): SecretKey {
    return SecretKey.parse(this.#masterKey.open(sealed, cacheKeyContext(cacheId)));
  }
}
