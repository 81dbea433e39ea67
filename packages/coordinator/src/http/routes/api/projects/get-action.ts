import { getAction } from "../../../../actions/change-action.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams, actionSchema, toAction } from "./action.ts";

/** GET /projects/{org}/{project}/actions/{id} */
export const getActionRoute: Route = (api, { authority, database }) => {
  api.get(
    "/projects/:org/:project/actions/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Shows an action; its token is never shown again.",
        params: actionParams,
        response: { 200: envelope(actionSchema) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "viewOrg");
      return ok(toAction(await getAction(database.kysely, project, params.id)));
    },
  );
};
