import { z } from "zod";
import { listReaders } from "../../../../db/cache-traffic-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestamp } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const DAY_MS = 24 * 3600 * 1000;
const MAX_DAYS = 90;
const MAX_READERS = 1000;

const querystring = z.object({
  days: z.coerce.number().int().min(1).max(MAX_DAYS).default(7),
});

const reader = z.object({
  user_id: z.uuid(),
  username: z.string(),
  api_key_id: z.uuid().nullable().meta({ description: "null for sessions." }),
  api_key: z.string().nullable().meta({ description: "Its name; null when it was deleted." }),
  hits: z.int(),
  misses: z.int(),
  nar_requests: z.int(),
  nar_bytes_served: z.int(),
  last_day: timestamp,
});

/** GET /caches/{cache}/stats/readers */
export const listCacheReadersRoute: Route = (api, { authority, clock, database, lastUse }) => {
  api.get(
    "/caches/:cache/stats/readers",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary:
          "Tells who has read a private cache in the last days, by user and API key, those who took most first.",
        params: cacheParams,
        querystring,
        response: { 200: envelope(z.array(reader)) },
      },
    },
    async ({ caller, params, query }) => {
      const { cache } = await authority.cache(caller, params.cache, "manageCacheMembers");
      const now = clock.now();
      const since = now - (now % DAY_MS) - (query.days - 1) * DAY_MS;
      await lastUse.flush();
      const readers = await listReaders(database.kysely, cache.id, since, MAX_READERS);
      return ok(
        readers.map((each) => ({
          user_id: each.userId,
          username: each.username,
          api_key_id: each.apiKeyId,
          api_key: each.apiKeyName,
          hits: each.hits,
          misses: each.misses,
          nar_requests: each.narRequests,
          nar_bytes_served: each.narBytes,
          last_day: toTimestamp(each.lastDayAt),
        })),
      );
    },
  );
};
