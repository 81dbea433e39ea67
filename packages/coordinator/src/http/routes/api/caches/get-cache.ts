import { z } from "zod";
import { hasCachePermission } from "../../../../auth/permissions.ts";
import { listCacheKeys } from "../../../../db/cache-key-repository.ts";
import { nixPublicKey } from "../../../../keys/cache-key.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams, cacheSchema, toCache } from "./cache.ts";

const answer = cacheSchema.extend({
  can_edit: z.boolean(),
  public_keys: z
    .array(z.string())
    .meta({ description: "Of all keys that have signed something that the cache shows." }),
});

/** GET /caches/{cache}: here the public key is in Nix's form. */
export const getCacheRoute: Route = (api, { authority, database }) => {
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
      const keys = await listCacheKeys(database.kysely, cache.id);
      return ok({
        ...toCache(cache),
        public_keys: keys.filter(({ state }) => state !== "removing").map(nixPublicKey),
        public_key: nixPublicKey(cache),
        can_edit: hasCachePermission(mask, "manageCacheSettings"),
      });
    },
  );
};
