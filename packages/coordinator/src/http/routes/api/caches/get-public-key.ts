import { nixPublicKey } from "../../../../keys/cache-key.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** GET /caches/{cache}/public-key */
export const getCachePublicKeyRoute: Route = (api, { authority }) => {
  api.get(
    "/caches/:cache/public-key",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Tells a cache's public key as Nix's trusted-public-keys takes it",
        params: cacheParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { cache } = await authority.readCache(request.caller, request.params.cache);
      return ok(nixPublicKey(cache));
    },
  );
};
