import { notManaged, signedIn } from "../../../../auth/authority.ts";
import { createIntegration, getIntegration } from "../../../../forges/integrations.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { integrationSchema, newIntegrationBody, toIntegration } from "./integration.ts";

/** PUT /orgs/{org}/integrations */
export const createIntegrationRoute: Route = (api, services) => {
  const { authority, database, masterKey, outbound, clock, serveUrl } = services;
  api.put(
    "/orgs/:org/integrations",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes an integration with a forge; its secrets are sealed and not shown again.",
        params: organizationParams,
        body: newIntegrationBody,
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
      const createdBy = signedIn(caller).user.id;
      const id = await createIntegration(
        { db, masterKey, outbound },
        { organizationId: organization.id, createdBy, kind: body.kind },
        {
          name: body.name,
          displayName: body.display_name ?? body.name,
          forge: body.forge_type,
          endpointUrl: body.endpoint_url || null,
          secret: body.secret ?? null,
          accessToken: body.access_token ?? null,
        },
        clock.now(),
      );
      const row = await getIntegration(db, organization, id);
      return ok(toIntegration(row, { serveUrl, organization: organization.name }));
    },
  );
};
