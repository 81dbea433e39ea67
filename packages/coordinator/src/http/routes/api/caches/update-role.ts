import { notManaged } from "../../../../auth/authority.ts";
import { changeRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { roleChangeBody, cacheRole, toCacheRole } from "../role.ts";
import { roleParams } from "./role-params.ts";

/** PATCH /caches/{cache}/roles/{role} */
export const updateCacheRoleRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/caches/:cache/roles/:role",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Renames a role of the cache's own or replaces its permissions.",
        params: roleParams,
        body: roleChangeBody,
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
      const role = await changeRole(
        database,
        realm,
        { mask, actor: actorOf(request) },
        {
          id: request.params.role,
          name: request.body.name ?? undefined,
          permissions: request.body.permissions ?? undefined,
        },
        clock.now(),
      );
      return ok(toCacheRole(realm, role));
    },
  );
};
