import { roleById } from "../../../members/roles.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { realmRoutes, realmWithRoles } from "./realm-routes.ts";
import { toRole } from "./role.ts";

/** GET /orgs/{org}/roles/{role}, GET /caches/{cache}/roles/{role} */
export const getRoleRoutes: Route = (api, { authority, database }) => {
  for (const kind of realmRoutes) {
    api.get(
      `${kind.roles}/:role`,
      {
        config: kind.config,
        schema: {
          summary: `Shows one role of the ${kind.noun}.`,
          params: kind.roleParams,
          response: { 200: envelope(kind.role) },
        },
      },
      async (request) => {
        const realm = await realmWithRoles(authority, request, request.params);
        return ok(toRole(realm, await roleById(database.kysely, realm, request.params.role)));
      },
    );
  }
};
