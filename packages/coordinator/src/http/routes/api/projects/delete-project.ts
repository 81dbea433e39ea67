import { notManaged } from "../../../../auth/authority.ts";
import { removeProject } from "../../../../projects/delete-project.ts";
import { actorOf } from "../../../actor.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

/** DELETE /projects/{org}/{project} */
export const deleteProjectRoute: Route = (api, { authority, database, evaluations, clock }) => {
  api.delete(
    "/projects/:org/:project",
    {
      config: { access: "required" },
      schema: {
        summary: "Deletes a project with its evaluations.",
        params: projectParams,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { organization, project } = await authority.project(
        request.caller,
        request.params,
        "editProject",
      );
      notManaged(project);
      await removeProject(
        { database, evaluations },
        project,
        { actor: actorOf(request), subject: `${organization.name}/${project.name}` },
        clock.now(),
      );
      return ok(`Project "${project.name}" was deleted`);
    },
  );
};
