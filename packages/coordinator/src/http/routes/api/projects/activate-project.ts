import { notManaged } from "../../../../auth/authority.ts";
import { updateProject } from "../../../../db/project-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

/** POST /projects/{org}/{project}/active */
export const activateProjectRoute: Route = (api, { authority, database }) => {
  api.post(
    "/projects/:org/:project/active",
    {
      config: { access: "required" },
      schema: {
        summary: "Switches a project on.",
        params: projectParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "editProject");
      notManaged(project);
      await updateProject(database.kysely, project, { active: 1 });
      return ok(`Project "${project.name}" is enabled now`);
    },
  );
};
