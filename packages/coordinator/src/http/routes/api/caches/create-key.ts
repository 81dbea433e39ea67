import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { createKey } from "../../../../caches/cache-keys.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheParams } from "./cache.ts";
import { signingKeySchema, toSigningKey } from "./signing-key.ts";

const body = z
  .object({
    name: z
      .string()
      .max(500)
      .nullish()
      .meta({ description: "By default that of the cache's first key with a number behind it." }),
  })
  .nullish();

/** POST /caches/{cache}/keys */
export const createCacheKeyRoute: Route = (api, services) => {
  const { authority, clock, database } = services;
  api.post(
    "/caches/:cache/keys",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Makes another key for a cache, which signs all that it shows beside the others.",
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
      const key = await createKey(services, change, request.body?.name ?? null);
      return ok(await toSigningKey(database.kysely, key));
    },
  );
};
