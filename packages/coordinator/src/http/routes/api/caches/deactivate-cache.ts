import { notManaged } from "../../../../auth/authority.ts";
import { deactivateCache } from "../../../../caches/subscriptions.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache}/active */
export const deactivateCacheRoute: Route = (
  api,
  { authority, database, narinfoLane, evaluations },
) => {
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
      await deactivateCache({ database, evaluations }, cache);
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" is disabled now`);
    },
  );
};
