import { z } from "zod";
import { notManaged } from "../../../../auth/authority.ts";
import { deleteTrigger } from "../../../../db/trigger-repository.ts";
import { getTrigger } from "../../../../triggers/get-trigger.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { triggerParams } from "./trigger.ts";

/** DELETE /projects/{org}/{project}/triggers/{id}. Evaluations that it started stay. */
export const deleteTriggerRoute: Route = (api, { authority, database }) => {
  api.delete(
    "/projects/:org/:project/triggers/:id",
    {
      config: { access: "required" },
      schema: {
        summary: "Removes a trigger.",
        params: triggerParams,
        response: { 200: envelope(z.object({ deleted: z.literal(true) })) },
      },
    },
    async (request) => {
      const { caller, params } = request;
      const { project } = await authority.project(caller, params, "manageTriggers");
      notManaged(project);
      const trigger = await getTrigger(database.kysely, project, params.id);
      await deleteTrigger(database.kysely, trigger.id);
      return ok({ deleted: true as const });
    },
  );
};
