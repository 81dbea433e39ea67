import { notManaged } from "../../../../auth/authority.ts";
import { createRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { newRoleBody, cacheRole, toCacheRole } from "../role.ts";
import { cacheParams } from "./cache.ts";

/** POST /caches/{cache}/roles */
export const createCacheRoleRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/caches/:cache/roles",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Makes a role of the cache's own, with no more permissions than the caller has.",
        params: cacheParams,
        body: newRoleBody,
        response: { 200: envelope(cacheRole) },
      },
    },
    async (request) => {
      const { cache, mask } = await authority.cache(
        request.caller,
        request.params.cache,
        "manageCacheRoles",
      );
      notManaged(cache);
      const realm = { kind: "cache", id: cache.id, name: cache.name } as const;
      const role = await createRole(
        database,
        realm,
        { mask, actor: actorOf(request) },
        request.body,
        clock.now(),
      );
      return ok(toCacheRole(realm, role));
    },
  );
};
