import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** GET /caches/{cache}/public: clients ask it before they write a token to a file. */
export const getCachePublicRoute: Route = (api, { authority }) => {
  api.get(
    "/caches/:cache/public",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Tells whether everybody may read the cache.",
        params: cacheParams,
        response: { 200: envelope(z.boolean()) },
      },
    },
    async (request) => {
      const { cache } = await authority.readCache(request.caller, request.params.cache);
      return ok(cache.public === 1);
    },
  );
};
