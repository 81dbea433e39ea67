import { z } from "zod";
import { removeRole } from "../../../members/roles.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";

/** DELETE /orgs/{org}/roles/{role}, DELETE /caches/{cache}/roles/{role} */
export const deleteRoleRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.delete(
      `${kind.roles}/:role`,
      {
        config: kind.config,
        schema: {
          summary: `Deletes a role of the ${kind.noun}'s own that no member has.`,
          params: kind.roleParams,
          response: { 200: envelope(z.literal(true)) },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "roles");
        await removeRole(database, realm, granter.actor, request.params.role, clock.now());
        return ok(true as const);
      },
    );
  }
};
