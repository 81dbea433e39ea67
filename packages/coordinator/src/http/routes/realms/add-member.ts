import { addMember } from "../../../members/members.ts";
import type { Route } from "../../api.ts";
import { ok, textEnvelope } from "../../envelope.ts";
import { nameOf, roleBody } from "./member-body.ts";
import { managedRealm, realmRoutes } from "./realm-routes.ts";

/** POST /orgs/{org}/users, POST /caches/{cache}/members */
export const addMemberRoutes: Route = (api, { authority, database, clock }) => {
  for (const kind of realmRoutes) {
    api.post(
      kind.members,
      {
        config: kind.config,
        schema: {
          summary: `Makes a user a member of the ${kind.noun}.`,
          params: kind.params,
          body: roleBody,
          response: { 200: textEnvelope },
        },
      },
      async (request) => {
        const { realm, granter } = await managedRealm(authority, request, "members");
        const username = nameOf(request.body);
        const member = { username, role: request.body.role };
        await addMember(database, realm, granter, member, clock.now());
        return ok(`User "${username}" is a member now`);
      },
    );
  }
};
