import { changeRole } from "../../../members/roles.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";
import { roleChangeBody, toRole } from "./role.ts";

/** PATCH /orgs/{org}/roles/{role}, PATCH /caches/{cache}/roles/{role} */
export const updateRoleRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.patch(
      `${kind.roles}/:role`,
      {
        config: kind.config,
        schema: {
          summary: `Renames a role of the ${kind.noun}'s own or replaces its permissions.`,
          params: kind.roleParams,
          body: roleChangeBody,
          response: { 200: envelope(kind.role) },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "roles");
        const change = {
          id: request.params.role,
          name: request.body.name ?? undefined,
          permissions: request.body.permissions ?? undefined,
        };
        return ok(toRole(realm, await changeRole(database, realm, granter, change, clock.now())));
      },
    );
  }
};
