import { access } from "node:fs/promises";
import { join } from "node:path";
import { loadSecrets } from "../config/secrets.ts";
import type { Config } from "../config/settings.ts";
import { UserError } from "../errors.ts";
import { addressUrl } from "../http/listen.ts";
import { MasterKey } from "../keys/master-key.ts";

/** The key that seals secrets in this data directory's database. Throws UserError. */
export async function openMasterKey(config: Config): Promise<MasterKey> {
  return new MasterKey((await loadSecrets(config)).masterKey);
}

/** As `openMasterKey`, of a farm that has one: none is made. Throws UserError. */
export async function requireMasterKey(config: Config): Promise<MasterKey> {
  const file = config.cryptSecretFile ?? join(config.dataDir, "keys", "crypt-secret");
  try {
    await access(file);
  } catch (cause) {
    throw new UserError(
      `the crypt secret ${file} cannot be read: bring it back, or name it with --crypt-secret-file; without it nothing opens the secrets of this farm`,
      { exitCode: 1, cause },
    );
  }
  return openMasterKey(config);
}

/** URL that the coordinator is reached at, as `serve` would have it. */
export function serveUrlOf({ serveUrl, listen }: Config): string {
  return serveUrl ?? addressUrl(listen.host, listen.port);
}
