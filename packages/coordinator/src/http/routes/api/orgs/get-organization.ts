import { z } from "zod";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams, organizationSchema, toOrganization } from "./organization.ts";

const answer = organizationSchema.extend({ github_app_available: z.boolean() });

/** GET /orgs/{org} */
export const getOrganizationRoute: Route = (api, { authority }) => {
  api.get(
    "/orgs/:org",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows an organization.",
        params: organizationParams,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { organization } = await authority.readOrganization(request.caller, request.params.org);
      return ok({ ...toOrganization(organization), github_app_available: false });
    },
  );
};
