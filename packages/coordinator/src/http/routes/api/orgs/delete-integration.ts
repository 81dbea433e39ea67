import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { deleteIntegration } from "../../../../db/integration-repository.ts";
import { getIntegration } from "../../../../forges/integrations.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { integrationParams } from "./integration.ts";

/** DELETE /orgs/{org}/integrations/{id}. Triggers that it told stay, and wait for another. */
export const deleteIntegrationRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/orgs/:org/integrations/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Removes an integration and its secrets.",
        params: integrationParams,
        response: { 200: envelope(z.literal(true)) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.organization(
        caller,
        params.org,
        "manageIntegrations",
      );
      notManaged(organization);
      const integration = await getIntegration(database.kysely, organization, params.id);
      await deleteIntegration(database.kysely, integration.id);
      return ok(true as const);
    },
  );
};
