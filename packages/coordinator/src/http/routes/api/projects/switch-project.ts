import { notManaged } from "../../../../auth/authority.ts";
import { updateProject } from "../../../../db/project-repository.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const ON = { method: "POST", summary: "Switches a project on." } as const;
const OFF = { method: "DELETE", summary: "Switches a project off." } as const;

/** POST and DELETE /projects/{org}/{project}/active */
export const switchProjectRoutes: Route = (api, { authority, database }) => {
  for (const { method, summary } of [ON, OFF]) {
    api.route({
      method,
      url: "/projects/:org/:project/active",
      config: { access: "required" },
      schema: { summary, params: projectParams, response: { 200: textEnvelope } },
      handler: async ({ caller, params }) => {
        const { project } = await authority.project(caller, params, "editProject");
        notManaged(project);
        const isActive = method === "POST";
        await updateProject(database.kysely, project, { active: isActive ? 1 : 0 });
        return ok(`Project "${project.name}" is ${isActive ? "enabled" : "disabled"} now`);
      },
    });
  }
};
