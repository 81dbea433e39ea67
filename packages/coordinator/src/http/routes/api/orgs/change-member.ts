import { notManaged } from "../../../../auth/authority.ts";
import { changeMemberRole } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { nameOf, roleBody } from "../member-body.ts";
import { organizationParams } from "./organization.ts";

/** PATCH /orgs/{org}/users */
export const changeMemberRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/orgs/:org/users",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes a member's role.",
        params: organizationParams,
        body: roleBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization, mask } = await authority.organization(
        request.caller,
        request.params.org,
        "manageMembers",
      );
      notManaged(organization);
      const username = nameOf(request.body);
      await changeMemberRole(
        database,
        { kind: "organization", id: organization.id, name: organization.name },
        { mask, actor: actorOf(request) },
        { username, role: request.body.role },
        clock.now(),
      );
      return ok(`User "${username}" has the role ${request.body.role} now`);
    },
  );
};
