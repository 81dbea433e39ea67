import type { Clock } from "../clock.ts";
import type { Config } from "../config/settings.ts";
import { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { Database } from "../db/client.ts";
import type { LastUse } from "../db/last-use.ts";
import type { Services } from "./api.ts";
import { RateLimits } from "./rate-limits/rate-limits.ts";
import { RequestIds } from "./request-ids.ts";
import { NarinfoLane } from "./routes/cache/narinfo-lane.ts";

/** What a request meets before the router. */
export function openFrontServices(
  config: Config,
  database: Database,
  clock: Clock,
  lastUse: LastUse,
): Pick<Services, "surface" | "requestIds" | "rateLimits" | "narinfoLane"> {
  const surface = new CacheSurfaceView(database);
  const requestIds = new RequestIds();
  const rateLimits = new RateLimits(config, () => clock.now());
  const narinfoLane = new NarinfoLane({ surface, clock, requestIds, lastUse, rateLimits });
  return { surface, requestIds, rateLimits, narinfoLane };
}
