import { notManaged } from "../../../../auth/authority.ts";
import { updateOrganization } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

/** POST /orgs/{org}/public */
export const publishOrganizationRoute: Route = (api, { authority, database }) => {
  api.post(
    "/orgs/:org/public",
    {
      config: { access: "required" },
      schema: {
        summary: "Lets everybody read the organization.",
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
      await updateOrganization(database.kysely, organization.id, { public: 1 });
      return ok(`Organization "${organization.name}" is public now`);
    },
  );
};
