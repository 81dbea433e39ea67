import { changeAction, getAction } from "../../../../actions/change-action.ts";
import { notManaged } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionChangeBody, actionParams, actionSchema, toAction } from "./action.ts";

/** PATCH /projects/{org}/{project}/actions/{id}: what is absent or null stays as it is. */
export const updateActionRoute: Route = (api, services) => {
  const { authority, database, clock } = services;
  api.patch(
    "/projects/:org/:project/actions/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes an action, or switches it on or off.",
        description:
          "Switched off, it forgets what it has not told yet. A configuration without a token keeps the one that is there.",
        params: actionParams,
        body: actionChangeBody,
        response: { 200: envelope(actionSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "manageActions");
      notManaged(project);
      const action = await getAction(database.kysely, project, params.id);
      const change = {
        name: body.name ?? null,
        config: body.config ?? null,
        events: body.events ?? null,
        isActive: body.active ?? null,
      };
      const of = { organizationId: project.organization_id, action };
      await changeAction(services, of, change, clock.now());
      return ok(toAction(await getAction(database.kysely, project, params.id)));
    },
  );
};
