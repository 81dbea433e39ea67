import { z } from "zod";
import { findTask } from "../../../../db/maintenance-repository.ts";
import { NotFoundError } from "../../../../errors.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { taskSchema, toTask } from "./task.ts";

/** GET /admin/tasks/{task} */
export const getTaskRoute: Route = (api, { database }) => {
  api.get(
    "/admin/tasks/:task",
    {
      config: { access: "superuser" },
      schema: {
        summary: "Shows how far a garbage collection or a check is, and its report.",
        params: z.object({ task: z.uuid() }),
        response: { 200: envelope(taskSchema) },
      },
    },
    async ({ params }) => {
      const task = await findTask(database.kysely, params.task);
      if (task === null) throw new NotFoundError(`task ${params.task} does not exist`);
      return ok(toTask(task));
    },
  );
};
