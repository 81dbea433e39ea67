import { notManaged } from "../../../../auth/authority.ts";
import { updateCache } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache}/public */
export const unpublishCacheRoute: Route = (api, { authority, database, narinfoLane }) => {
  api.delete(
    "/caches/:cache/public",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Hides from everybody but those who have part in it the cache.",
        params: cacheParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(
        request.caller,
        request.params.cache,
        "manageCacheSettings",
      );
      notManaged(cache);
      await updateCache(database.kysely, cache.id, { public: 0 });
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" is private now`);
    },
  );
};
