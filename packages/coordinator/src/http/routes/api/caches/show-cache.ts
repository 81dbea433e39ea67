import { notManaged } from "../../../../auth/authority.ts";
import { updateCache } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const SHOW = { method: "POST", summary: "Lets everybody read the cache." } as const;
const HIDE = {
  method: "DELETE",
  summary: "Hides from everybody but those who have part in it the cache.",
} as const;

/** POST and DELETE /caches/{cache}/public */
export const showCacheRoutes: Route = (api, { authority, database, narinfoLane }) => {
  for (const { method, summary } of [SHOW, HIDE]) {
    api.route({
      method,
      url: "/caches/:cache/public",
      config: { access: "required", admitsCacheKeys: true },
      schema: { summary, params: cacheParams, response: { 200: textEnvelope } },
      handler: async ({ caller, params }) => {
        const { cache } = await authority.cache(caller, params.cache, "manageCacheSettings");
        notManaged(cache);
        const isPublic = method === "POST";
        await updateCache(database.kysely, cache.id, { public: isPublic ? 1 : 0 });
        narinfoLane.forgetCache(cache.name);
        return ok(`Cache "${cache.name}" is ${isPublic ? "public" : "private"} now`);
      },
    });
  }
};
