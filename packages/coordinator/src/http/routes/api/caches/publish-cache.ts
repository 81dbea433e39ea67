import { notManaged } from "../../../../auth/authority.ts";
import { updateCache } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** POST /caches/{cache}/public */
export const publishCacheRoute: Route = (api, { authority, database, narinfoLane }) => {
  api.post(
    "/caches/:cache/public",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lets everybody read the cache.",
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
      await updateCache(database.kysely, cache.id, { public: 1 });
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" is public now`);
    },
  );
};
