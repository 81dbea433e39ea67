import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { hashPart } from "./nar-params.ts";

/** GET /caches/{cache}/nars/available?hash= */
export const checkNarRoute: Route = (api, { authority, surface }) => {
  api.get(
    "/caches/:cache/nars/available",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Tells whether a cache shows a path with this hash",
        params: cacheParams,
        querystring: z.object({ hash: hashPart }),
        response: { 200: envelope(z.object({ available: z.boolean() })) },
      },
    },
    async ({ caller, params, query }) => {
      const { cache } = await authority.readCache(caller, params.cache);
      return ok({ available: surface.findPath(cache.id, query.hash) !== undefined });
    },
  );
};
