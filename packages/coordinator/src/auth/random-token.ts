import { createHash, randomBytes, randomInt } from "node:crypto";

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Tokens that start so are API keys, all others session tokens. */
export const API_KEY_PREFIX = "GRAD";
const API_KEY_CHARACTERS = 64;

/** A new API key: the prefix and 64 characters, 381 bits of chance. */
export function generateApiKey(): string {
  const characters = Array.from({ length: API_KEY_CHARACTERS }, () =>
    ALPHANUMERIC.charAt(randomInt(ALPHANUMERIC.length)),
  );
  return API_KEY_PREFIX + characters.join("");
}

/** What the database keeps of an API key; null for text that cannot be one. */
export function apiKeyHash(key: string): string | null {
  const secret = key.slice(API_KEY_PREFIX.length);
  if (!key.startsWith(API_KEY_PREFIX) || secret.length !== API_KEY_CHARACTERS) return null;
  return sha256Hex(secret);
}

/** A new worker token: standard base64 of 48 bytes. */
export function generateWorkerToken(): string {
  return randomBytes(48).toString("base64");
}

/** For secrets of high entropy only: a password needs a slow hash. */
export function sha256Hex(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
