import { roleById } from "../../../../members/roles.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationRole, toOrganizationRole } from "../role.ts";
import { roleParams } from "./role-params.ts";

/** GET /orgs/{org}/roles/{role} */
export const getOrganizationRoleRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/roles/:role",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows one role of the organization.",
        params: roleParams,
        response: { 200: envelope(organizationRole) },
      },
    },
    async (request) => {
      const { organization } = await authority.memberOrganization(
        request.caller,
        request.params.org,
      );
      const realm = { kind: "organization", id: organization.id } as const;
      return ok(
        toOrganizationRole(realm, await roleById(database.kysely, realm, request.params.role)),
      );
    },
  );
};
