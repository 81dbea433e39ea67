import { z } from "zod";
import { getAction, renewToken } from "../../../../actions/change-action.ts";
import { notManaged } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionParams } from "./action.ts";

/** POST /projects/{org}/{project}/actions/{id}/regenerate-token */
export const renewActionTokenRoute: Route = (api, services) => {
  const { authority, database, clock } = services;
  api.post(
    "/projects/:org/:project/actions/:id/regenerate-token",
    {
      config: { access: "required" },
      schema: {
        summary: "Gives a web request a new token, which is shown this once.",
        params: actionParams,
        response: { 200: envelope(z.string()) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "manageActions");
      notManaged(project);
      const action = await getAction(database.kysely, project, params.id);
      return ok(await renewToken(services, action, clock.now()));
    },
  );
};
