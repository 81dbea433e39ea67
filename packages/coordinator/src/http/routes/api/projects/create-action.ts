import { z } from "zod";
import { createAction, getAction } from "../../../../actions/change-action.ts";
import { notManaged, signedIn } from "../../../../auth/authority.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { actionSchema, newActionBody, toAction } from "./action.ts";
import { projectParams } from "./project.ts";

const answer = z.object({
  action: actionSchema,
  /** Of a web request, in clear, this once. */
  token: z.string().nullable(),
});

/** POST /projects/{org}/{project}/actions */
export const createActionRoute: Route = (api, services) => {
  const { authority, database, clock } = services;
  api.post(
    "/projects/:org/:project/actions",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes an action: a mail, a web request, or statuses of a forge.",
        params: projectParams,
        body: newActionBody,
        response: { 200: envelope(answer) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "manageActions");
      notManaged(project);
      const of = {
        projectId: project.id,
        organizationId: project.organization_id,
        createdBy: signedIn(caller).user.id,
      };
      const { name, config, events, active: isActive } = body;
      const asked = { name, config, events, isActive };
      const { id, token } = await createAction(services, of, asked, clock.now());
      return ok({ action: toAction(await getAction(database.kysely, project, id)), token });
    },
  );
};
