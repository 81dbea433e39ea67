import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { importKey } from "../../../../caches/cache-keys.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { signingKeySchema, toSigningKey } from "./signing-key.ts";

const body = z.object({
  secret_key: z
    .string()
    .max(1000)
    .meta({ description: "`name:base64`, as a file of `nix-store --generate-binary-cache-key`." }),
});

/** POST /caches/{cache}/keys/import */
export const importCacheKeyRoute: Route = (api, services) => {
  const { authority, clock, database } = services;
  api.post(
    "/caches/:cache/keys/import",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Takes an existing secret key for a cache; it is kept sealed and never shown.",
        params: cacheParams,
        body,
        response: { 200: envelope(signingKeySchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheKeys");
      notManaged(cache);
      const change = { cache, actor: actorOf(request), now: clock.now() };
      const key = await importKey(services, change, request.body.secret_key);
      return ok(await toSigningKey(database.kysely, key));
    },
  );
};
