import type { Config } from "../config/settings.ts";
import { readSecretFile } from "../config/secret-file.ts";
import { findCacheNames } from "../db/cache-traffic-repository.ts";
import type { Database } from "../db/client.ts";
import type { LastUse } from "../db/last-use.ts";
import type { FarmFigures } from "../ports.ts";
import { readVersion } from "../version.ts";
import { CoordinatorMetrics } from "./coordinator-metrics.ts";

/** The metrics, when there is a file with the token that they are read with. Throws UserError. */
export async function openMetrics(parts: {
  config: Pick<Config, "metricsTokenFile">;
  database: Database;
  lastUse: Pick<LastUse, "traffic">;
  farm: { figures(): FarmFigures };
}): Promise<CoordinatorMetrics | null> {
  const { config, database, lastUse, farm } = parts;
  if (config.metricsTokenFile === null) return null;
  const token = await readSecretFile(config.metricsTokenFile);
  const sources = {
    farm: () => farm.figures(),
    traffic: () => lastUse.traffic,
    cacheNames: (ids: readonly string[]) => findCacheNames(database.kysely, ids),
  };
  return new CoordinatorMetrics(sources, { version: readVersion(), token });
}
