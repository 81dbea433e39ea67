import { notManaged } from "../../../../auth/authority.ts";
import { createTrigger } from "../../../../triggers/change-trigger.ts";
import { getTrigger } from "../../../../triggers/get-trigger.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { projectParams } from "./project.ts";
import { newTriggerBody, toTrigger, triggerSchema } from "./trigger.ts";

/** POST /projects/{org}/{project}/triggers */
export const createTriggerRoute: Route = (api, { authority, database, clock }) => {
  api.post(
    "/projects/:org/:project/triggers",
    {
      config: { access: "required" },
      schema: {
        summary: "Makes a trigger: polling, pushes or pull requests of a forge, or times.",
        params: projectParams,
        body: newTriggerBody,
        response: { 200: envelope(triggerSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "manageTriggers");
      notManaged(project);
      const db = database.kysely;
      const of = { projectId: project.id, organizationId: project.organization_id };
      const asked = { config: body.config, isActive: body.active };
      const id = await createTrigger(db, of, asked, clock.now());
      return ok(toTrigger(await getTrigger(db, project, id)));
    },
  );
};
