import { notManaged } from "../../../../auth/authority.ts";
import { removeOrganization } from "../../../../organizations/delete-organization.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

/** DELETE /orgs/{org} */
export const deleteOrganizationRoute: Route = (
  api,
  { authority, database, evaluations, workers, clock },
) => {
  api.delete(
    "/orgs/:org",
    {
      config: { access: "required" },
      schema: {
        summary: "Deletes an organization with everything in it.",
        params: organizationParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization } = await authority.organization(
        request.caller,
        request.params.org,
        "deleteOrg",
      );
      notManaged(organization);
      await removeOrganization(
        { database, evaluations, workers },
        organization,
        actorOf(request),
        clock.now(),
      );
      return ok(`Organization "${organization.name}" was deleted`);
    },
  );
};
