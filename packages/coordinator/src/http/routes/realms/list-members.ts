import { z } from "zod";
import { listMembers } from "../../../db/member-repository.ts";
import type { Route } from "../../api.ts";
import { envelope, ok } from "../../envelope.ts";
import { memberSchema } from "./member-body.ts";
import { realmRoutes, realmWithMembers } from "./realm-routes.ts";

/** GET /orgs/{org}/users, GET /caches/{cache}/members */
export const listMembersRoutes: Route = (api, { authority, database }) => {
  for (const kind of realmRoutes) {
    api.get(
      kind.members,
      {
        config: kind.listMembers,
        schema: {
          summary: `Lists the members of the ${kind.noun} with their roles.`,
          params: kind.params,
          response: { 200: envelope(z.array(memberSchema)) },
        },
      },
      async (request) => {
        const realm = await realmWithMembers(authority, request, request.params);
        const members = await listMembers(database.kysely, realm);
        return ok(members.map(({ username, role }) => ({ id: username, name: role })));
      },
    );
  }
};
