import { loadSecrets } from "../config/secrets.ts";
import type { Config } from "../config/settings.ts";
import { addressUrl } from "../http/listen.ts";
import { MasterKey } from "../keys/master-key.ts";

/** The key that seals secrets in this data directory's database. Throws UserError. */
export async function openMasterKey(config: Config): Promise<MasterKey> {
  return new MasterKey((await loadSecrets(config)).masterKey);
}

/** URL that the coordinator is reached at, as `serve` would have it. */
export function serveUrlOf({ serveUrl, listen }: Config): string {
  return serveUrl ?? addressUrl(listen.host, listen.port);
}
