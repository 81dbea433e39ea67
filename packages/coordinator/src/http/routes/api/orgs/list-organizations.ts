import { z } from "zod";
import { signedIn } from "../../../../auth/authority.ts";
import { listOrganizations } from "../../../../db/organization-repository.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { organizationSchema, toOrganization } from "./organization.ts";

const item = organizationSchema.extend({ running_evaluations: z.int() });

/** GET /orgs: those that the caller is a member of; of a pinned key only the one. */
export const listOrganizationsRoute: Route = (api, { database }) => {
  api.get(
    "/orgs",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists the organizations that the caller is a member of.",
        querystring: pageQuery,
        response: { 200: pageEnvelope(item) },
      },
    },
    async (request) => {
      const { user, key } = signedIn(request.caller);
      const { items, total } = await listOrganizations(
        database.kysely,
        { userId: user.id, onlyId: key?.organizationId ?? null },
        request.query,
      );
      const rows = items.map((row) => ({
        ...toOrganization(row),
        running_evaluations: row.running_evaluations,
      }));
      return okPage(rows, total, request.query);
    },
  );
};
