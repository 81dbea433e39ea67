import { z } from "zod";
import { listMembers } from "../../../../db/member-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { memberSchema } from "../member-body.ts";
import { organizationParams } from "./organization.ts";

/** GET /orgs/{org}/users */
export const listMembersRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/users",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the members with their roles.",
        params: organizationParams,
        response: { 200: envelope(z.array(memberSchema)) },
      },
    },
    async (request) => {
      const { organization } = await authority.readOrganization(request.caller, request.params.org);
      const members = await listMembers(database.kysely, {
        kind: "organization",
        id: organization.id,
      });
      return ok(members.map((row) => ({ id: row.username, name: row.role })));
    },
  );
};
