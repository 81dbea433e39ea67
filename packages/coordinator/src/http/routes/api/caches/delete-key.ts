import { notManaged } from "../../../../auth/authority.ts";
import { deleteKey } from "../../../../caches/cache-keys.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { signingKeyParams } from "./signing-key.ts";

/** DELETE /caches/{cache}/keys/{key} */
export const deleteCacheKeyRoute: Route = (api, services) => {
  const { authority, clock } = services;
  api.delete(
    "/caches/:cache/keys/:key",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Takes a key away from a cache, and then all that it has signed.",
        params: signingKeyParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { cache } = await authority.cache(caller, params.cache, "manageCacheKeys");
      notManaged(cache);
      const change = { cache, actor: actorOf(request), now: clock.now() };
      const key = await deleteKey(services, change, params.key);
      return ok(`Key "${key.key_name}" is removed, and its signatures after it`);
    },
  );
};
