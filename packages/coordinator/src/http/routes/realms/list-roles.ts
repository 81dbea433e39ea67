import { z } from "zod";
import { allRoles, catalogueOf } from "../../../members/roles.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { realmRoutes, realmWithRoles } from "./realm-routes.ts";
import { availablePermissions, toRole } from "./role.ts";

/** GET /orgs/{org}/roles, GET /caches/{cache}/roles */
export const listRolesRoutes: Route = (api, { authority, database }) => {
  for (const kind of realmRoutes) {
    api.get(
      kind.roles,
      {
        config: kind.config,
        schema: {
          summary: `Lists the roles that members of the ${kind.noun} can have, and what a role may allow.`,
          params: kind.params,
          response: {
            200: envelope(
              z.object({ roles: z.array(kind.role), available_permissions: availablePermissions }),
            ),
          },
        },
      },
      async (request) => {
        const realm = await realmWithRoles(authority, request, request.params);
        const roles = await allRoles(database.kysely, realm);
        return ok({
          roles: roles.map((role) => toRole(realm, role)),
          available_permissions: [...catalogueOf(realm)],
        });
      },
    );
  }
};
