import { createHash, randomBytes, randomInt } from "node:crypto";

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const LEGIBLE = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";

/** Tokens that start so are API keys, all others session tokens. */
export const API_KEY_PREFIX = "GRAD";
const API_KEY_CHARACTERS = 64;

/** A new API key: the prefix and 64 characters, 381 bits of chance. */
export function generateApiKey(): string {
  return API_KEY_PREFIX + randomText(ALPHANUMERIC, API_KEY_CHARACTERS);
}

/** A new secret by which a program asks whether its login was authorized. */
export function generateDeviceCode(): string {
  return randomText(ALPHANUMERIC, 64);
}

/** A new code that people read and type: `ABCD-2345`, without characters that look alike. 40 bits, for some minutes. */
export function generateUserCode(): string {
  return `${randomText(LEGIBLE, 4)}-${randomText(LEGIBLE, 4)}`;
}

/** A typed code in the form that was generated: people leave out the dash and type lower case. */
export function normalUserCode(typed: string): string {
  const characters = typed.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return `${characters.slice(0, 4)}-${characters.slice(4)}`;
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");
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
