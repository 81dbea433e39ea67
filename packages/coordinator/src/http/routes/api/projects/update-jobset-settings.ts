import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { changeJobset } from "../../../../projects/change-jobset.ts";
import type { Route } from "../../../api.ts";
import { ok, textEnvelope } from "../../../envelope.ts";
import { projectParams } from "./project.ts";

const body = z.object({
  alias: z.string().nullish().meta({ description: "null takes it away." }),
  priority: z.int().optional(),
  open_hook: z.boolean().optional(),
});

/** PATCH /projects/{org}/{project}/cuirass: what is absent stays as it is. */
export const updateJobsetSettingsRoute: Route = (api, { authority, database }) => {
  api.patch(
    "/projects/:org/:project/cuirass",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes what a project is for clients of Cuirass.",
        params: projectParams,
        body,
        response: { 200: textEnvelope },
      },
    },
    async ({ caller, params, body: change }) => {
      const { project } = await authority.project(caller, params, "editProject");
      notManaged(project);
      const { alias = project.alias, priority = project.priority } = change;
      const isHookOpen = change.open_hook ?? project.open_hook === 1;
      await changeJobset(database, project, { alias, priority, isHookOpen });
      return ok(`Project "${project.name}" was changed`);
    },
  );
};
