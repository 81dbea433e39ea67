import { nixPublicKey } from "../../../../keys/cache-key.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";

/** GET /caches/{cache}/key: the public signing key in Nix's form. */
export const getCacheKeyRoute: Route = (api, { authority }) => {
  api.get(
    "/caches/:cache/key",
    {
      config: { access: "optional", admitsCacheKeys: true },
      schema: {
        summary: "Gives the public signing key in Nix's form.",
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
