import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { removeRole } from "../../../../members/roles.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { roleParams } from "./role-params.ts";

/** DELETE /orgs/{org}/roles/{role} */
export const deleteOrganizationRoleRoute: Route = (api, { authority, database, clock }) => {
  api.delete(
    "/orgs/:org/roles/:role",
    {
      config: { access: "required" },
      schema: {
        summary: "Deletes a role of the organization's own that no member has.",
        params: roleParams,
        response: { 200: envelope(z.literal(true)) },
      },
    },
    async (request) => {
      const { organization } = await authority.organization(
        request.caller,
        request.params.org,
        "manageRoles",
      );
      notManaged(organization);
      await removeRole(
        database,
        { kind: "organization", id: organization.id, name: organization.name },
        actorOf(request),
        request.params.role,
        clock.now(),
      );
      return ok(true as const);
    },
  );
};
