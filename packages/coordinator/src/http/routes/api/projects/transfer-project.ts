import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { transferProject } from "../../../../projects/transfer-project.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const body = z.object({ organization: z.string() });

/** POST /projects/{org}/{project}/transfer */
export const transferProjectRoute: Route = (api, { authority, database }) => {
  api.post(
    "/projects/:org/:project/transfer",
    {
      config: { access: "required" },
      schema: {
        summary: "Gives the project to another organization, without its evaluations.",
        params: projectParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "editProject");
      notManaged(project);
      const target = request.body.organization;
      const { organization } = await authority.organization(caller, target, "createProject");
      notManaged(organization);
      await transferProject(database, project, organization);
      return ok(`Project "${project.name}" belongs to "${organization.name}" now`);
    },
  );
};
