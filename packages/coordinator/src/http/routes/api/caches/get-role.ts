import { roleById } from "../../../../members/roles.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { cacheRole, toCacheRole } from "../role.ts";
import { roleParams } from "./role-params.ts";

/** GET /caches/{cache}/roles/{role} */
export const getCacheRoleRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/roles/:role",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Shows one role of the cache.",
        params: roleParams,
        response: { 200: envelope(cacheRole) },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(request.caller, request.params.cache, "viewCache");
      const realm = { kind: "cache", id: cache.id } as const;
      return ok(toCacheRole(realm, await roleById(database.kysely, realm, request.params.role)));
    },
  );
};
