import type { Clock } from "../clock.ts";
import type { CacheSurfaceView } from "../db/cache-surface-view.ts";
import type { Database } from "../db/client.ts";
import { prepareFindAskedUpstreams } from "../db/upstream-repository.ts";
import type { Logger } from "../logger.ts";
import type { OutboundClient } from "../outbound/outbound-client.ts";
import { HttpUpstreams } from "./http-upstream.ts";
import { Upstreams } from "./upstreams.ts";

/** The upstreams of all caches, and those of them that are asked over the network. */
export function openUpstreams(options: {
  database: Database;
  surface: CacheSurfaceView;
  outbound: OutboundClient;
  clock: Clock;
  logger: Logger;
}): { upstreams: Upstreams; httpUpstreams: HttpUpstreams } {
  const { database, surface, outbound, clock, logger } = options;
  const httpUpstreams = new HttpUpstreams({ outbound, clock, logger });
  const findUpstreams = prepareFindAskedUpstreams(database);
  return {
    upstreams: new Upstreams({ http: httpUpstreams, surface, findUpstreams }),
    httpUpstreams,
  };
}
