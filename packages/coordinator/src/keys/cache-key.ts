import { SecretKey } from "@gradient/protocol";

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

export function generateCacheKey(keyName: string): CacheKey {
  const secret = SecretKey.generate(keyName);
  return {
    keyName,
    publicKey: secret.publicKey.toString().slice(keyName.length + 1),
    secretKey: secret.reveal(),
  };
}
