import { notManaged } from "../../../../auth/authority.ts";
import { updateCache } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache}/active */
export const deactivateCacheRoute: Route = (api, { authority, database, narinfoLane }) => {
  api.delete(
    "/caches/:cache/active",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Switches a cache off: nothing can be substituted from it.",
        params: cacheParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheSettings");
      notManaged(cache);
      await updateCache(database.kysely, cache.id, { active: 0 });
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" is disabled now`);
    },
  );
};
