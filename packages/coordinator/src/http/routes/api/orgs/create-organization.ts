import { z } from "zod";
import { mayCreate } from "../../../../auth/authority.ts";
import { createOrganization } from "../../../../organizations/create-organization.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";

const body = z.object({
  name: z.string(),
  display_name: z.string(),
  description: z.string().max(10_000).default(""),
  public: z.boolean().nullish(),
  hide_build_requests: z.boolean().nullish(),
});

/** PUT /orgs: the answer is the new organization's id. */
export const createOrganizationRoute: Route = (api, { config, database, masterKey, clock }) => {
  api.put(
    "/orgs",
    {
      config: { access: "required" },
      schema: {
        summary: "Creates an organization; the answer is its id.",
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const creator = mayCreate(request.caller, "organizations", config.createOrg);
      const id = await createOrganization(
        { database, masterKey },
        creator.user.id,
        {
          name: request.body.name,
          displayName: request.body.display_name,
          description: request.body.description,
          isPublic: request.body.public ?? false,
          hidesBuildRequests: request.body.hide_build_requests ?? false,
        },
        clock.now(),
      );
      return ok(id);
    },
  );
};
