import { z } from "zod";
import { listMembers } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

/** `id` is the user's name and `name` the role's: that is how clients know it. */
const member = z.object({ id: z.string(), name: z.string() });

/** GET /orgs/{org}/users */
export const listMembersRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/users",
    {
      config: { access: "optional" },
      schema: { params: organizationParams, response: { 200: envelope(z.array(member)) } },
    },
    async (request) => {
      const { organization } = await authority.readOrganization(request.caller, request.params.org);
      const members = await listMembers(database.kysely, organization.id);
      return ok(members.map((row) => ({ id: row.username, name: row.role })));
    },
  );
};
