import { changeMemberRole } from "../../../members/members.ts";
import type { Route } from "../../api.ts";
import { ok, textEnvelope } from "../../envelope.ts";
import { nameOf, roleBody } from "./member-body.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";

/** PATCH /orgs/{org}/users, PATCH /caches/{cache}/members */
export const changeMemberRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.patch(
      kind.members,
      {
        config: kind.config,
        schema: {
          summary: `Gives a member of the ${kind.noun} another role.`,
          params: kind.params,
          body: roleBody,
          response: { 200: textEnvelope },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "members");
        const member = { username: nameOf(request.body), role: request.body.role };
        await changeMemberRole(database, realm, granter, member, clock.now());
        return ok(`User "${member.username}" has the role ${member.role} now`);
      },
    );
  }
};
