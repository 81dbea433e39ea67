import { z } from "zod";
import { listCacheKeys } from "../../../../db/cache-key-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { signingKeySchema, toSigningKeys } from "./signing-key.ts";

/** GET /caches/{cache}/keys */
export const listCacheKeysRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/keys",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lists the keys of a cache, the oldest first, and how far they have signed it.",
        params: cacheParams,
        response: { 200: envelope(z.array(signingKeySchema)) },
      },
    },
    async ({ caller, params }) => {
      const { cache } = await authority.cache(caller, params.cache, "manageCacheKeys");
      const keys = await listCacheKeys(database.kysely, cache.id);
      return ok(await toSigningKeys(database.kysely, cache.id, keys));
    },
  );
};
