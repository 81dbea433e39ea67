import { z } from "zod";
import { allRoles, catalogueOf } from "../../../../members/roles.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { availablePermissions, cacheRole, toCacheRole } from "../role.ts";
import { cacheParams } from "./cache.ts";

const answer = z.object({
  roles: z.array(cacheRole),
  available_permissions: availablePermissions,
});

/** GET /caches/{cache}/roles */
export const listCacheRolesRoute: Route = (api, { authority, database }) => {
  api.get(
    "/caches/:cache/roles",
    {
      config: { access: "required", admitsCacheKeys: true },
      schema: {
        summary: "Lists the roles that members of the cache can have, and what a role may allow.",
        params: cacheParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { cache } = await authority.cache(request.caller, request.params.cache, "viewCache");
      const realm = { kind: "cache", id: cache.id } as const;
      const roles = await allRoles(database.kysely, realm);
      return ok({
        roles: roles.map((role) => toCacheRole(realm, role)),
        available_permissions: [...catalogueOf(realm)],
      });
    },
  );
};
