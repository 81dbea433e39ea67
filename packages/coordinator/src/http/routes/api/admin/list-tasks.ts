import { z } from "zod";
import { listTasks } from "../../../../db/maintenance-repository.ts";
import type { Route } from "../../../api.ts";
import { envelope, ok } from "../../../envelope.ts";
import { taskSchema, toTask } from "./task.ts";

const MAX_TASKS = 50;

/** GET /admin/tasks: without their reports */
export const listTasksRoute: Route = (api, { database }) => {
  api.get(
    "/admin/tasks",
    {
      config: { access: "superuser" },
      schema: {
        summary: "Lists garbage collections and checks, the newest first, at most 50.",
        response: { 200: envelope(z.array(taskSchema.omit({ report: true }))) },
      },
    },
    async () => {
      const tasks = await listTasks(database.kysely, MAX_TASKS);
      return ok(
        tasks.map((task) => {
          const { report: _, ...rest } = toTask(task);
          return rest;
        }),
      );
    },
  );
};
