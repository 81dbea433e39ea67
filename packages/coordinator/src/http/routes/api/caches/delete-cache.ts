import { notManaged } from "../../../../auth/authority.ts";
import { removeCache } from "../../../../caches/delete-cache.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache} */
export const deleteCacheRoute: Route = (
  api,
  { authority, database, signer, narinfoLane, clock, evaluations },
) => {
  api.delete(
    "/caches/:cache",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: { summary: "Deletes a cache.", params: cacheParams, response: { 200: textEnvelope } },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "deleteCache");
      notManaged(cache);
      await removeCache({ database, evaluations }, cache, actorOf(request), clock.now());
      signer.forget(cache.id);
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" was deleted`);
    },
  );
};
