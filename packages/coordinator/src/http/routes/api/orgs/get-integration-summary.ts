import { z } from "zod";
import { listIntegrations } from "../../../../db/integration-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "./organization.ts";
import { forgeType, integrationKind } from "./integration.ts";

const summary = z.array(
  z.object({
    id: z.uuid(),
    name: z.string(),
    display_name: z.string(),
    kind: integrationKind,
    forge_type: forgeType,
  }),
);

/** GET /orgs/{org}/integrations/summary: what it takes to choose one, for every member. */
export const getIntegrationSummaryRoute: Route = (api, { authority, database }) => {
  api.get(
    "/orgs/:org/integrations/summary",
    {
      config: { access: "required" },
      schema: {
        summary: "Names the organization's integrations, for its members to choose from.",
        params: organizationParams,
        response: { 200: envelope(summary) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.memberOrganization(caller, params.org);
      const rows = await listIntegrations(database.kysely, organization.id);
      return ok(
        rows.map(({ id, name, display_name, kind, forge }) => ({
          id,
          name,
          display_name,
          kind,
          forge_type: forge,
        })),
      );
    },
  );
};
