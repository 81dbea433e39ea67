import { notManaged } from "../../../../auth/authority.ts";
import { deleteCache } from "../../../../db/cache-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** DELETE /caches/{cache} */
export const deleteCacheRoute: Route = (api, { authority, database, signer, narinfoLane }) => {
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
      await deleteCache(database.kysely, cache.id);
      signer.forget(cache.id);
      narinfoLane.forgetCache(cache.name);
      return ok(`Cache "${cache.name}" was deleted`);
    },
  );
};
