import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { projectParams, projectSchema, toProject } from "./project.ts";

/** GET /projects/{org}/{project} */
export const getProjectRoute: Route = (api, { authority }) => {
  api.get(
    "/projects/:org/:project",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows a project.",
        params: projectParams,
        response: { 200: envelope(projectSchema) },
      },
    },
    async (request) => {
      const { org, project: name } = request.params;
      const { project, mask } = await authority.readProject(request.caller, org, name);
      return ok(toProject(project, mask));
    },
  );
};
