import { notManaged } from "../../../../auth/authority.ts";
import { addMember } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { nameOf, roleBody } from "../member-body.ts";
import { organizationParams } from "./organization.ts";

/** POST /orgs/{org}/users */
export const addMemberRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/orgs/:org/users",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes a user a member.",
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
      await addMember(
        database,
        { kind: "organization", id: organization.id, name: organization.name },
        { mask, actor: actorOf(request) },
        { username, role: request.body.role },
        clock.now(),
      );
      return ok(`User "${username}" is a member now`);
    },
  );
};
