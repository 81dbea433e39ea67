import { z } from "zod";
import { getAction } from "../../../../actions/change-action.ts";
import { notManaged } from "../../../../auth/authority.ts";
import { deleteAction } from "../../../../db/action-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams } from "./action.ts";

/** DELETE /projects/{org}/{project}/actions/{id} */
export const deleteActionRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/projects/:org/:project/actions/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Removes an action with its deliveries.",
        params: actionParams,
        response: { 200: envelope(z.literal(true)) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "manageActions");
      notManaged(project);
      const action = await getAction(database.kysely, project, params.id);
      await database.transaction(({ kysely }) => deleteAction(kysely, action.id));
      return ok(true as const);
    },
  );
};
