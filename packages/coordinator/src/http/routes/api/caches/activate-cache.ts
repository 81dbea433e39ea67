import { notManaged } from "../../../../auth/authority.ts";
import { activateCache } from "../../../../caches/subscriptions.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** POST /caches/{cache}/active */
export const activateCacheRoute: Route = (
  api,
  { authority, database, narinfoLane, evaluations },
) => {
  api.post(
    "/caches/:cache/active",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Switches a cache on.",
        params: cacheParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheSettings");
      notManaged(cache);
      await activateCache({ database, evaluations }, cache);
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" is enabled now`);
    },
  );
};
