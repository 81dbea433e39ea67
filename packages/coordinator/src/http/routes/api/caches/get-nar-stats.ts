import { z } from "zod";
import { findNarStats } from "../../../../db/cache-nar-view.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok, timestamp, toTimestampOrNull } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const stats = z.object({
  total_nars: z.int(),
  total_nar_size: z.int(),
  total_file_size: z.int(),
  last_uploaded_at: timestamp.nullable(),
  oldest_fetched_at: timestamp.nullable(),
});

/** GET /caches/{cache}/nars/stats */
export const getNarStatsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/nars/stats",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary:
          "Tells how many paths a cache shows, how large they are together, and what the cache takes of its limit",
        params: cacheParams,
        response: { 200: envelope(stats) },
      },
    },
    async ({ caller, params }) => {
      const { cache } = await authority.readCache(caller, params.cache);
      const found = await findNarStats(database.kysely, cache.id);
      return ok({
        total_nars: found.paths,
        total_nar_size: found.narBytes,
        total_file_size: found.storedBytes,
        last_uploaded_at: toTimestampOrNull(found.lastUploadedAt),
        oldest_fetched_at: toTimestampOrNull(found.oldestFetchedAt),
      });
    },
  );
};
