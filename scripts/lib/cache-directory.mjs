import { homedir } from "node:os";
import { join } from "node:path";

/** Where this machine keeps what its clones share. */
export function cacheDirectory(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "gradient-farm");
}
