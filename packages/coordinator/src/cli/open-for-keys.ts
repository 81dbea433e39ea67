import type { KeyChangeParts } from "../caches/cache-keys.ts";
import { requireFarm, openFarmDatabase } from "../data-dir.ts";
import type { Database } from "../db/client.ts";
import { requireMasterKey, serveUrlOf } from "./farm-keys.ts";
import { configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

export const KEY_SETTINGS = [
  "dataDir",
  "cryptSecretFile",
  "jwtSecretFile",
  "serveUrl",
  "listen",
] as const;

/** A farm with what keys of caches are made, sealed and named with. */
interface OpenedForKeys extends AsyncDisposable {
  readonly database: Database;
  readonly parts: KeyChangeParts;
}

/** Throws UserError. */
export async function openForKeys(
  flags: Readonly<Record<string, unknown>>,
  { env }: Surroundings,
): Promise<OpenedForKeys> {
  const config = configOf(flags, env);
  await requireFarm(config.dataDir);
  const masterKey = await requireMasterKey(config);
  const database = await openFarmDatabase(config.dataDir);
  // The daemon is told by a notice.
  const upkeep = { keysChanged: () => undefined };
  return {
    database,
    parts: { database, masterKey, upkeep, serveUrl: serveUrlOf(config) },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
