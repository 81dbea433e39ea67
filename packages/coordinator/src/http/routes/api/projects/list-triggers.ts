import { z } from "zod";
import { listTriggers } from "../../../../db/trigger-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { projectParams } from "./project.ts";
import { toTrigger, triggerSchema } from "./trigger.ts";

/** GET /projects/{org}/{project}/triggers */
export const listTriggersRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/triggers",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists what starts evaluations of the project by itself.",
        params: projectParams,
        response: { 200: envelope(z.array(triggerSchema)) },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "viewOrg");
      const triggers = await listTriggers(database.kysely, project.id);
      return ok(triggers.map((trigger) => toTrigger(trigger)));
    },
  );
};
