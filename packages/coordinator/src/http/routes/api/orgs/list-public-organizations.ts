import { listPublicOrganizations } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { organizationSchema, toOrganization } from "./organization.ts";

/** GET /orgs/public: of a pinned key only the one. */
export const listPublicOrganizationsRoute: Route = (api, { database }) => {
  api.get(
    "/orgs/public",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the organizations that everybody may read.",
        querystring: pageQuery,
        response: { 200: pageEnvelope(organizationSchema) },
      },
    },
    async (request) => {
      const { caller, query } = request;
      const filter =
        caller.kind === "anonymous"
          ? { userId: null, onlyId: null }
          : { userId: caller.user.id, onlyId: caller.key?.organizationId ?? null };
      const { items, total } = await listPublicOrganizations(database.kysely, filter, query);
      return okPage(items.map(toOrganization), total, query);
    },
  );
};
