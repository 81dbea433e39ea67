import { z } from "zod";
import { isOrganizationName } from "../../../../db/organization-repository.ts";
import { checkSlug } from "../../../../rules/names.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";

const querystring = z.object({ name: z.string() });

/** GET /orgs/available?name: 400 with the reason for a name that can never be used. */
export const checkOrganizationNameRoute: Route = (api, { database }) => {
  api.get(
    "/orgs/available",
    {
      config: { access: "required" },
      schema: {
        summary: "Tells whether an organization could be given the name.",
        querystring,
        response: { 200: envelope(z.boolean()) },
      },
    },
    async (request) => {
      const { name } = request.query;
      checkSlug("organization", name);
      return ok(!(await isOrganizationName(database.kysely, name)));
    },
  );
};
