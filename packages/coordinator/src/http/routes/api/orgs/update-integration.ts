import { notManaged } from "../../../../auth/authority.ts";
import { changeIntegration, getIntegration } from "../../../../forges/integrations.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import {
  integrationChangeBody,
  integrationParams,
  integrationSchema,
  toIntegration,
} from "./integration.ts";

/** PATCH /orgs/{org}/integrations/{id} */
export const updateIntegrationRoute: Route = (api, services) => {
  const { authority, database, masterKey, outbound, serveUrl } = services;
  api.patch(
    "/orgs/:org/integrations/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes an integration; an empty secret, token or address is removed.",
        params: integrationParams,
        body: integrationChangeBody,
        response: { 200: envelope(integrationSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { organization } = await authority.organization(
        caller,
        params.org,
        "manageIntegrations",
      );
      notManaged(organization);
      const db = database.kysely;
      const integration = await getIntegration(db, organization, params.id);
      await changeIntegration({ db, masterKey, outbound }, integration, {
        name: body.name ?? null,
        displayName: body.display_name ?? null,
        forge: body.forge_type ?? null,
        endpointUrl: body.endpoint_url ?? null,
        secret: body.secret ?? null,
        accessToken: body.access_token ?? null,
      });
      const row = await getIntegration(db, organization, params.id);
      return ok(toIntegration(row, { serveUrl, organization: organization.name }));
    },
  );
};
