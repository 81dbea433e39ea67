import { notManaged } from "../../../../auth/authority.ts";
import { updateOrganization } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

/** DELETE /orgs/{org}/public */
export const unpublishOrganizationRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/orgs/:org/public",
    {
      config: { access: "required" },
      schema: {
        summary: "Hides from everybody but those who have part in it the organization.",
        params: organizationParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization } = await authority.organization(
        request.caller,
        request.params.org,
        "manageOrgSettings",
      );
      notManaged(organization);
      await updateOrganization(database.kysely, organization.id, { public: 0 });
      return ok(`Organization "${organization.name}" is private now`);
    },
  );
};
