import { getIntegration } from "../../../../forges/integrations.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { integrationParams, integrationSchema, toIntegration } from "./integration.ts";

/** GET /orgs/{org}/integrations/{id} */
export const getIntegrationRoute: Route = (api, { authority, database, serveUrl }) => {
  api.get(
    "/orgs/:org/integrations/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows one integration, without its secrets.",
        params: integrationParams,
        response: { 200: envelope(integrationSchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(
        caller,
        params.org,
        "manageIntegrations",
      );
      const row = await getIntegration(database.kysely, organization, params.id);
      return ok(toIntegration(row, { serveUrl, organization: organization.name }));
    },
  );
};
