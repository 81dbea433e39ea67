import { removeMember } from "../../../members/members.ts";
import type { Route } from "../../api.ts";
import { ok, textEnvelope } from "../../envelope.ts";
import { memberBody, nameOf } from "./member-body.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";

/** DELETE /orgs/{org}/users, DELETE /caches/{cache}/members */
export const removeMemberRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.delete(
      kind.members,
      {
        config: kind.config,
        schema: {
          summary: `Ends the membership of a user in the ${kind.noun}.`,
          params: kind.params,
          body: memberBody,
          response: { 200: textEnvelope },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "members");
        const username = nameOf(request.body);
        await removeMember(database, realm, granter.actor, username, clock.now());
        return ok(`User "${username}" is no member any more`);
      },
    );
  }
};
