import { createRole } from "../../../members/roles.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";
import { newRoleBody, toRole } from "./role.ts";

/** POST /orgs/{org}/roles, POST /caches/{cache}/roles */
export const createRoleRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.post(
      kind.roles,
      {
        config: kind.config,
        schema: {
          summary: `Makes a role of the ${kind.noun}'s own, with no more permissions than the caller has.`,
          params: kind.params,
          body: newRoleBody,
          response: { 200: envelope(kind.role) },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "roles");
        const role = await createRole(database, realm, granter, request.body, clock.now());
        return ok(toRole(realm, role));
      },
    );
  }
};
