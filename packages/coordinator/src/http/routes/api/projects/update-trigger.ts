import { notManaged } from "../../../../auth/authority.ts";
import { changeTrigger } from "../../../../triggers/change-trigger.ts";
import { getTrigger } from "../../../../triggers/get-trigger.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { toTrigger, triggerChangeBody, triggerParams, triggerSchema } from "./trigger.ts";

/** PATCH /projects/{org}/{project}/triggers/{id}: what is absent or null stays as it is. */
export const updateTriggerRoute: Route = (api, { authority, database, clock }) => {
  api.patch(
    "/projects/:org/:project/triggers/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Changes a trigger, or switches it on or off.",
        params: triggerParams,
        body: triggerChangeBody,
        response: { 200: envelope(triggerSchema) },
      },
    },
    async (request) => {
      const { caller, params, body } = request;
      const { project } = await authority.project(caller, params, "manageTriggers");
      notManaged(project);
      const db = database.kysely;
      const trigger = await getTrigger(db, project, params.id);
      const change = { config: body.config ?? null, isActive: body.active ?? null };
      const of = { organizationId: project.organization_id, trigger };
      await changeTrigger(db, of, change, clock.now());
      return ok(toTrigger(await getTrigger(db, project, params.id)));
    },
  );
};
