import { z } from "zod";
import { listTraffic } from "../../../../db/cache-traffic-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const HOUR_MS = 3600 * 1000;
const MAX_HOURS = 24 * 31;

const figures = {
  hits: z.int(),
  misses: z.int(),
  nar_requests: z.int(),
  nar_bytes_served: z.int(),
};
const stats = z.object({
  since: timestamp,
  ...figures,
  hours: z.array(z.object({ hour: timestamp, ...figures })),
});

const querystring = z.object({
  hours: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_HOURS)
    .default(24 * 7),
});

/** GET /caches/{cache}/stats */
export const getCacheTrafficRoute: Route = (api, { authority, clock, database, lastUse }) => {
  api.get(
    "/caches/:cache/stats",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Tells what was asked of a cache, in all and by hour",
        params: cacheParams,
        querystring,
        response: { 200: envelope(stats) },
      },
    },
    async ({ caller, params, query }) => {
      const { cache } = await authority.readCache(caller, params.cache);
      const now = clock.now();
      const since = now - (now % HOUR_MS) - (query.hours - 1) * HOUR_MS;
      await lastUse.flush();
      const hours = (await listTraffic(database.kysely, cache.id, since)).map((hour) => ({
        hour: toTimestamp(hour.hourAt),
        hits: hour.hits,
        misses: hour.misses,
        nar_requests: hour.narRequests,
        nar_bytes_served: hour.narBytes,
      }));
      const sum = (name: keyof typeof figures): number =>
        hours.reduce((total, hour) => total + hour[name], 0);
      return ok({
        since: toTimestamp(since),
        hits: sum("hits"),
        misses: sum("misses"),
        nar_requests: sum("nar_requests"),
        nar_bytes_served: sum("nar_bytes_served"),
        hours,
      });
    },
  );
};
