import { z } from "zod";
import { hasCachePermission } from "../../../../auth/permissions.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams, cacheSchema, nixPublicKey, toCache } from "./cache.ts";

const answer = cacheSchema.extend({ can_edit: z.boolean() });

/** GET /caches/{cache}: here the public key is in Nix's form. */
export const getCacheRoute: Route = (api, { authority }) => {
  api.get(
    "/caches/:cache",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Shows a cache; the public key is in Nix's form.",
        params: cacheParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { cache, mask } = await authority.readCache(request.caller, request.params.cache);
      return ok({
        ...toCache(cache),
        public_key: nixPublicKey(cache),
        can_edit: hasCachePermission(mask, "manageCacheSettings"),
      });
    },
  );
};
