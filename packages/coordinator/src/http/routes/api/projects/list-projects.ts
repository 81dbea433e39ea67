import { listProjects } from "../../../../db/project-repository.ts";
import { BUILD_REQUEST_PROJECT } from "../../../../rules/names.ts";
import type { Route } from "../../../api.ts";
import { okPage, pageEnvelope, pageQuery } from "../../../envelope.ts";
import { organizationParams } from "../orgs/organization.ts";
import { projectSchema, toProject } from "./project.ts";

/** GET /projects/{org} */
export const listProjectsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org",
    {
      config: { access: "optional" },
      schema: {
        summary: "Lists the projects of an organization.",
        params: organizationParams,
        querystring: pageQuery,
        response: { 200: pageEnvelope(projectSchema) },
      },
    },
    async (request) => {
      const { caller, params, query } = request;
      const { organization, mask } = await authority.readOrganization(caller, params.org);
      const hidden = organization.hide_build_requests === 1 ? BUILD_REQUEST_PROJECT : null;
      const { items, total } = await listProjects(database.kysely, organization.id, hidden, query);
      return okPage(
        items.map((row) => toProject(row, mask)),
        total,
        query,
      );
    },
  );
};
