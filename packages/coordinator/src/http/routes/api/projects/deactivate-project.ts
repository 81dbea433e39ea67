import { notManaged } from "../../../../auth/authority.ts";
import { updateProject } from "../../../../db/project-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

/** DELETE /projects/{org}/{project}/active */
export const deactivateProjectRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/projects/:org/:project/active",
    {
      config: { access: "required" },
      schema: {
        summary: "Switches a project off.",
        params: projectParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "editProject");
      notManaged(project);
      await updateProject(database.kysely, project, { active: 0 });
      return ok(`Project "${project.name}" is disabled now`);
    },
  );
};
