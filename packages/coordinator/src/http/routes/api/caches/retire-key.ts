import { notManaged } from "../../../../auth/authority.ts";
import { retireKey } from "../../../../caches/cache-keys.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { signingKeyParams, signingKeySchema, toSigningKey } from "./signing-key.ts";

/** POST /caches/{cache}/keys/{key}/retire */
export const retireCacheKeyRoute: Route = (api, services) => {
  const { authority, clock, database } = services;
  api.post(
    "/caches/:cache/keys/:key/retire",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lets a key sign no more; its secret is forgotten, what it has signed stays.",
        params: signingKeyParams,
        response: { 200: envelope(signingKeySchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheKeys");
      notManaged(cache);
      const change = { cache, actor: actorOf(request), now: clock.now() };
      const key = await retireKey(services, change, params.key);
      return ok(await toSigningKey(database.kysely, key));
    },
  );
};
