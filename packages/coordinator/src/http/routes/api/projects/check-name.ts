import { z } from "zod";
import { isProjectName } from "../../../../db/project-repository.ts";
import { checkSlug } from "../../../../rules/names.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { organizationParams } from "../orgs/organization.ts";

const querystring = z.object({ name: z.string() });

/** GET /projects/{org}/available?name: 400 with the reason for a name that can never be used. */
export const checkProjectNameRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/available",
    {
      config: { access: "required" },
      schema: {
        summary: "Tells whether a project of the organization could be given the name.",
        params: organizationParams,
        querystring,
        response: { 200: envelope(z.boolean()) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { organization } = await authority.memberOrganization(caller, params.org);
      const { name } = request.query;
      checkSlug("project", name);
      return ok(!(await isProjectName(database.kysely, organization.id, name)));
    },
  );
};
