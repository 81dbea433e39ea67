import { z } from "zod";
import { listActions } from "../../../../db/action-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionSchema, toAction } from "./action.ts";
import { projectParams } from "./project.ts";

/** GET /projects/{org}/{project}/actions */
export const listActionsRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/actions",
    {
      config: { access: "required" },
      schema: {
        summary: "Lists whom the project tells of its evaluations and builds.",
        params: projectParams,
        response: { 200: envelope(z.array(actionSchema)) },
      },
    },
    async (request) => {
      const { project } = await authority.project(request.caller, request.params, "viewOrg");
      const actions = await listActions(database.kysely, project.id);
      return ok(actions.map((action) => toAction(action)));
    },
  );
};
