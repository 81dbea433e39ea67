import { notManaged } from "../../../../auth/authority.ts";
import { removeMember } from "../../../../members/members.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { memberBody, nameOf } from "../member-body.ts";
import { organizationParams } from "./organization.ts";

/** DELETE /orgs/{org}/users */
export const removeMemberRoute: Route = (api, { authority, database, clock }) => {
  api.delete(
    "/orgs/:org/users",
    {
      config: { access: "required" },
      schema: {
        summary: "Removes a member.",
        params: organizationParams,
        body: memberBody,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization } = await authority.organization(
        request.caller,
        request.params.org,
        "manageMembers",
      );
      notManaged(organization);
      const username = nameOf(request.body);
      await removeMember(
        database,
        { kind: "organization", id: organization.id, name: organization.name },
        actorOf(request),
        username,
        clock.now(),
      );
      return ok(`User "${username}" is no member any more`);
    },
  );
};
