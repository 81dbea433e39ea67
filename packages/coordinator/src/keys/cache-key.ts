import { PublicKey, SecretKey } from "@gradient/protocol";
import { v7 as uuidv7 } from "uuid";
import type { CacheKeyRow, ShownCacheKey } from "../db/cache-key-repository.ts";
import type { MasterKey } from "./master-key.ts";

/** Key name of a cache: host of the serve URL, a port after a dash, then the cache's name. `https://g.example:8443` makes `g.example-8443-main`. */
export function cacheKeyName(serveUrl: string, cacheName: string): string {
  const host = new URL(serveUrl).host.replaceAll(/[[\]]/g, "").replaceAll(":", "-");
  return `${host}-${cacheName}`;
}

export interface CacheKey {
  keyName: string;
  /** Base64 of the 32 bytes, without the name. */
  publicKey: string;
  /** Nix's secret key text. */
  secretKey: string;
}

/** A new Ed25519 key in Nix's format. Its secret half is not sealed yet: `newKeyRow` does it. */
export function generateCacheKey(keyName: string): CacheKey {
  return toCacheKey(SecretKey.generate(keyName));
}

/** Throws SignatureError, which holds nothing secret, also when the public half does not belong to the seed. */
export function parseCacheKey(secretKey: string): CacheKey {
  return toCacheKey(SecretKey.parse(secretKey));
}

function toCacheKey(secret: SecretKey): CacheKey {
  const { keyName } = secret;
  return {
    keyName,
    publicKey: secret.publicKey.toString().slice(keyName.length + 1),
    secretKey: secret.reveal(),
  };
}

/** Context that a cache's keys are sealed with. */
export function cacheKeyContext(cacheId: string): string {
  return `cache ${cacheId}`;
}

/** A key as it is stored. `isComplete`: whether all paths of the cache have its signature. */
export function newKeyRow(
  masterKey: MasterKey,
  cacheId: string,
  key: CacheKey,
  { isComplete, now }: { isComplete: boolean; now: number },
): CacheKeyRow {
  return {
    id: uuidv7(),
    cache_id: cacheId,
    key_name: key.keyName,
    public_key: key.publicKey,
    private_key: masterKey.seal(key.secretKey, cacheKeyContext(cacheId)),
    state: "active",
    is_complete: isComplete ? 1 : 0,
    created_at: now,
  };
}

type PublicHalf = Pick<ShownCacheKey, "key_name" | "public_key">;

/** The public key as Nix's `trusted-public-keys` wants it. */
export function nixPublicKey(key: PublicHalf): string {
  return `${key.key_name}:${key.public_key}`;
}

/** Throws SignatureError for a row that holds no key: the database is damaged. */
export function toPublicKey(key: PublicHalf): PublicKey {
  return PublicKey.parse(nixPublicKey(key));
}
