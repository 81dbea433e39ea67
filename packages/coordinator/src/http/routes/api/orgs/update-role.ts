import { notManaged } from "../../../../auth/authority.ts";
import { changeRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { roleChangeBody, organizationRole, toOrganizationRole } from "../role.ts";
import { roleParams } from "./role-params.ts";

/** PATCH /orgs/{org}/roles/{role} */
export const updateOrganizationRoleRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/orgs/:org/roles/:role",
    {
      config: { access: "required" },
      schema: {
        summary: "Renames a role of the organization's own or replaces its permissions.",
        params: roleParams,
        body: roleChangeBody,
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
      const role = await changeRole(
        database,
        realm,
        { mask, actor: actorOf(request) },
        {
          id: request.params.role,
          name: request.body.name ?? undefined,
          permissions: request.body.permissions ?? undefined,
        },
        clock.now(),
      );
      return ok(toOrganizationRole(realm, role));
    },
  );
};
