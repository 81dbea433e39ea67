import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { jobsetSettings, toJobsetSettings } from "./jobset-settings.ts";
import { projectParams } from "./project.ts";

/** GET /projects/{org}/{project}/cuirass */
export const getJobsetSettingsRoute: Route = (api, { authority }) => {
  api.get(
    "/projects/:org/:project/cuirass",
    {
      config: { access: "optional" },
      schema: {
        summary: "Shows what a project is for clients of Cuirass.",
        params: projectParams,
        response: { 200: envelope(jobsetSettings) },
      },
    },
    async ({ caller, params }) => {
      const { project } = await authority.readProject(caller, params.org, params.project);
      return ok(toJobsetSettings(project));
    },
  );
};
