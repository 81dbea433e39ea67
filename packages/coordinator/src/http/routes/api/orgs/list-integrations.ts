import { z } from "zod";
import { listIntegrations } from "../../../../db/integration-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { integrationSchema, toIntegration } from "./integration.ts";

/** GET /orgs/{org}/integrations */
export const listIntegrationsRoute: Route = (api, { authority, database, serveUrl }) => {
  api.get(
    "/orgs/:org/integrations",
    {
      config: { access: "required" },
      schema: {
        summary:
          "Lists the forges that tell the organization's projects of changes, or are told of results.",
        params: organizationParams,
        response: { 200: envelope(z.array(integrationSchema)) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(
        caller,
        params.org,
        "manageIntegrations",
      );
      const rows = await listIntegrations(database.kysely, organization.id);
      const at = { serveUrl, organization: organization.name };
      return ok(rows.map((row) => toIntegration(row, at)));
    },
  );
};
