import { notManaged } from "../../../../auth/authority.ts";
import { activateCache, deactivateCache } from "../../../../caches/subscriptions.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

const ON = { method: "POST", summary: "Switches a cache on." } as const;
const OFF = {
  method: "DELETE",
  summary: "Switches a cache off: nothing can be substituted from it.",
} as const;

/** POST and DELETE /caches/{cache}/active */
export const switchCacheRoutes: Route = (
  api,
  { authority, database, narinfoLane, evaluations },
) => {
  for (const { method, summary } of [ON, OFF]) {
    api.route({
      method,
      url: "/caches/:cache/active",
      config: { access: "required", admitsCacheKeys: true },
      schema: { summary, params: cacheParams, response: { 200: textEnvelope } },
      handler: async ({ caller, params }) => {
        const { cache } = await authority.cache(caller, params.cache, "manageCacheSettings");
        notManaged(cache);
        const change = method === "POST" ? activateCache : deactivateCache;
        await change({ database, evaluations }, cache);
        narinfoLane.forgetCache(cache.name);
        return ok(`Cache "${cache.name}" is ${method === "POST" ? "enabled" : "disabled"} now`);
      },
    });
  }
};
