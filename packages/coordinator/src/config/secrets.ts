import { hkdfSync, randomBytes } from "node:crypto";
import { access, link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, isMissing, messageOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import type { Config } from "./settings.ts";

/** Secrets of the process, kept apart from the configuration so that the latter can be shown. */
export interface Secrets {
  /** Key of the session tokens' HMAC. */
  jwtSecret: Uint8Array;
  /** 32 bytes that seal private keys in the database. */
  masterKey: Uint8Array;
}

const MIN_SECRET_CHARACTERS = 32;

/**
 * Reads both secret files; a fresh data directory makes its own (32 random bytes in base64, mode 0600).
 * A secret's text may have any form, so the master key is derived from it by HKDF-SHA256 (RFC 5869). Throws UserError.
 */
export async function loadSecrets(
  config: Pick<Config, "dataDir" | "jwtSecretFile" | "cryptSecretFile">,
): Promise<Secrets> {
  const jwt = await secretText(config.jwtSecretFile, join(config.dataDir, "keys", "jwt-secret"));
  const crypt = await secretText(
    config.cryptSecretFile,
    join(config.dataDir, "keys", "crypt-secret"),
  );
  return {
    jwtSecret: Buffer.from(jwt, "utf8"),
    masterKey: new Uint8Array(hkdfSync("sha256", crypt, "", "gradient-coordinator master key", 32)),
  };
}

async function secretText(given: string | null, own: string): Promise<string> {
  if (given === null && (await access(own).then(() => false, isMissing))) await makeSecretOnce(own);
  const file = given ?? own;
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new UserError(`secret file ${file} cannot be read`, { exitCode: 1, cause });
  }
  if (text.length < MIN_SECRET_CHARACTERS) {
    throw new UserError(
      `secret file ${file} has ${text.length} characters and needs at least ${MIN_SECRET_CHARACTERS}; make one with: openssl rand -base64 48`,
    );
  }
  return text;
}

/** Two processes may start on a fresh directory at once: the file appears whole by link(2), and the first one wins. */
async function makeSecretOnce(file: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(`${randomBytes(32).toString("base64")}\n`);
      await handle.sync();
      await link(temporary, file).catch(ignoreExisting);
    } finally {
      await handle.close();
      await rm(temporary);
    }
  } catch (cause) {
    throw new UserError(`secret file ${file} cannot be made: ${messageOf(cause)}`, {
      exitCode: 1,
      cause,
    });
  }
}

function ignoreExisting(error: unknown): void {
  if (errnoOf(error) === "EEXIST") return;
  throw error;
}
