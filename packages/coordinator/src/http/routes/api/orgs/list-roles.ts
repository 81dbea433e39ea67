import { z } from "zod";
import { allRoles, catalogueOf } from "../../../../members/roles.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { availablePermissions, organizationRole, toOrganizationRole } from "../role.ts";
import { organizationParams } from "./organization.ts";

const answer = z.object({
  roles: z.array(organizationRole),
  available_permissions: availablePermissions,
});

/** GET /orgs/{org}/roles */
export const listOrganizationRolesRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/roles",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Lists the roles that members of the organization can have, and what a role may allow.",
        params: organizationParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { organization } = await authority.memberOrganization(
        request.caller,
        request.params.org,
      );
      const realm = { kind: "organization", id: organization.id } as const;
      const roles = await allRoles(database.kysely, realm);
      return ok({
        roles: roles.map((role) => toOrganizationRole(realm, role)),
        available_permissions: [...catalogueOf(realm)],
      });
    },
  );
};
