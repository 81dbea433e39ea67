import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { changeOrganization } from "../../../../organizations/change-organization.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";

const body = z.object({
  name: z.string().nullish(),
  display_name: z.string().nullish(),
  description: z.string().max(10_000).nullish(),
  hide_build_requests: z.boolean().nullish(),
  reuse_build_failures: z.boolean().nullish(),
  reuse_build_timeouts: z.boolean().nullish(),
});

/** PATCH /orgs/{org}: what is absent or null stays as it is. The answer is the organization's id. */
export const updateOrganizationRoute: Route = (api, { authority, database }) => {
  api.patch(
    "/orgs/:org",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes the given fields of an organization; the answer is its id.",
        params: organizationParams,
        body,
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
      await changeOrganization(database, organization, {
        name: request.body.name ?? organization.name,
        displayName: request.body.display_name ?? organization.display_name,
        description: request.body.description ?? organization.description,
        hidesBuildRequests:
          request.body.hide_build_requests ?? organization.hide_build_requests === 1,
        reusesFailures:
          request.body.reuse_build_failures ?? organization.reuse_build_failures === 1,
        reusesTimeouts:
          request.body.reuse_build_timeouts ?? organization.reuse_build_timeouts === 1,
      });
      return ok(organization.id);
    },
  );
};
