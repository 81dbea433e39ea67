import { notManaged } from "../../../../auth/authority.ts";
import { createRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { newRoleBody, organizationRole, toOrganizationRole } from "../role.ts";
import { organizationParams } from "./organization.ts";

/** POST /orgs/{org}/roles */
export const createOrganizationRoleRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/orgs/:org/roles",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Makes a role of the organization's own, with no more permissions than the caller has.",
        params: organizationParams,
        body: newRoleBody,
        response: { 200: envelope(organizationRole) },
      },
    },
    async (request) => {
      const { organization, mask } = await authority.organization(
        request.caller,
        request.params.org,
        "manageRoles",
      );
      notManaged(organization);
      const realm = { kind: "organization", id: organization.id, name: organization.name } as const;
      const role = await createRole(
        database,
        realm,
        { mask, actor: actorOf(request) },
        request.body,
        clock.now(),
      );
      return ok(toOrganizationRole(realm, role));
    },
  );
};
