import { getTrigger } from "../../../../triggers/get-trigger.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { toTrigger, triggerParams, triggerSchema } from "./trigger.ts";

/** GET /projects/{org}/{project}/triggers/{id} */
export const getTriggerRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/triggers/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows one trigger with its last look and its next.",
        params: triggerParams,
        response: { 200: envelope(triggerSchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "viewOrg");
      return ok(toTrigger(await getTrigger(database.kysely, project, params.id)));
    },
  );
};
